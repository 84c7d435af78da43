//! The body of a request that starts an order.

use crate::{
    app::App,
    quote::{self, PricedBody},
};
use contract::{Document, FieldError, Fields, InvalidFields, OrderRequest, QUOTED_FIELDS};
use domain::Profile;
use orderflow_http::{ApiRequest, Problem};

const ADDRESS: [&str; 2] = ["shipping_address", "address"];

/// A body whose fields are all valid. Line items can be missing if a sample cart replaces them.
pub(crate) struct ParsedBody {
    pub(crate) order_request: OrderRequest,
    pub(crate) profile: Option<Profile>,
    /// Whether the quote of the order has expired, so that the request can only repeat an earlier one.
    pub(crate) is_expired: bool,
}

/// Parses the body of `POST /orders`, which must have line items and a street.
pub(crate) async fn parse_create_body(
    app: &App,
    request: &ApiRequest,
) -> Result<ParsedBody, Problem> {
    let _step = telemetry::start_step("parse");
    let body = quote::price_body(app, request).await?;
    let read_body = |fields: &mut Fields<'_, '_>| {
        fields.require_any(&["items"]);
        fields.require_any(&ADDRESS);
        let address = fields.sent_name(&ADDRESS);
        let parsed = read_fields(app, request, &body, fields)?;
        // Both members are present here, but can be empty.
        if parsed.order_request.lines.is_empty() && !fields.is_rejected(&["items"]) {
            fields.reject("items", "must have at least one element");
        }
        if parsed.order_request.shipping_address.is_none() && !fields.is_rejected(&ADDRESS) {
            fields.reject(address, "must name a street");
        }
        Some(parsed)
    };
    read_priced(&body, read_body)
}

/// Reads a body. Invalid fields of a quote are a defect of the quote.
fn read_priced<T>(
    body: &PricedBody<'_>,
    read: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>,
) -> Result<T, Problem> {
    let read = Document::parse(&body.text)?.read_object(read);
    read.map_err(|InvalidFields(errors)| {
        let is_quoted = |error: &FieldError| {
            let mut names = error.pointer.split('/').skip(1);
            let is_set = names
                .next()
                .is_some_and(|name| QUOTED_FIELDS.contains(&name));
            // The metadata of a line item is the caller's.
            is_set && names.nth(1) != Some("metadata")
        };
        match errors
            .iter()
            .find(|error| body.is_quoted && is_quoted(error))
        {
            Some(error) => quote::rejected(&error.to_string()),
            None => InvalidFields(errors).into(),
        }
    })
}

/// Parses the body of `POST /orders/{id}/start`, in which every field is optional.
pub(crate) async fn parse_start_body(
    app: &App,
    request: &ApiRequest,
) -> Result<ParsedBody, Problem> {
    let _step = telemetry::start_step("parse");
    let body = quote::price_body(app, request).await?;
    let read_body = |fields: &mut Fields<'_, '_>| {
        let parsed = read_fields(app, request, &body, fields)?;
        let needs_address = !parsed.order_request.lines.is_empty();
        if needs_address
            && parsed.order_request.shipping_address.is_none()
            && !fields.is_rejected(&ADDRESS)
        {
            fields.reject("shipping_address", "is required for an order with items");
        }
        Some(parsed)
    };
    let parsed = read_priced(&body, read_body)?;
    let order_request = if app.sample_cart {
        parsed.order_request.with_sample_cart()
    } else {
        parsed.order_request
    };
    Ok(ParsedBody {
        order_request,
        ..parsed
    })
}

/// Reads the fields that both routes have.
fn read_fields(
    app: &App,
    request: &ApiRequest,
    body: &PricedBody<'_>,
    fields: &mut Fields<'_, '_>,
) -> Option<ParsedBody> {
    let customer_field = if fields.starts_with(&["customer_id"], '"') {
        "customer_id"
    } else {
        "customer"
    };
    let mut order_request = OrderRequest::from_fields(fields)?;
    // A customer can order only for itself: its id is the default, and another id is rejected.
    if let Some(customer) = request.customer() {
        if order_request
            .customer
            .id
            .as_ref()
            .is_some_and(|id| id != customer)
        {
            fields.reject(customer_field, "must be the caller's own customer id");
        }
        order_request.customer.id = Some(customer.clone());
    }
    let profile = order_request.profile.as_deref().and_then(|name| {
        if !app.profile_override {
            fields.reject(
                "profile",
                "must be absent: this deployment uses one profile for all orders",
            );
            return None;
        }
        let profile = Profile::parse(name);
        if profile.is_none() {
            let names: Vec<_> = Profile::ALL
                .iter()
                .map(|profile| profile.as_str())
                .collect();
            fields.reject("profile", format!("must be one of {}", names.join(", ")));
        }
        profile
    });
    Some(ParsedBody {
        order_request,
        profile,
        is_expired: body.is_expired,
    })
}
