//! What a caller wants to order, from the body.

use crate::App;
use contract::{Document, Fields, OrderRequest};
use domain::Profile;
use orderflow_http::{ApiRequest, Problem};

const ADDRESS: [&str; 2] = ["shipping_address", "address"];

/// A request whose every field was checked. Its lines may be missing where a sample cart may stand in.
pub(crate) struct ParsedBody {
    pub(crate) request: OrderRequest,
    pub(crate) profile: Option<Profile>,
}

/// Of `POST /orders`: items and a street must be there.
pub(crate) fn parse_create_body(app: &App, call: &ApiRequest) -> Result<ParsedBody, Problem> {
    let _step = telemetry::start_step("parse");
    let read = |fields: &mut Fields<'_, '_>| {
        fields.require_any(&["items"]);
        fields.require_any(&ADDRESS);
        let address = fields.sent_name(&ADDRESS);
        let wanted = read(app, call, fields)?;
        // Each is there, but may be empty.
        if wanted.request.lines.is_empty() && !fields.is_rejected(&["items"]) {
            fields.reject("items", "must have at least one element");
        }
        if wanted.request.shipping_address.is_none() && !fields.is_rejected(&ADDRESS) {
            fields.reject(address, "must name a street");
        }
        Some(wanted)
    };
    Ok(Document::parse(call.json_body()?)?.read_object(read)?)
}

/// Of `POST /orders/{id}/start`: everything may be missing.
pub(crate) fn parse_start_body(app: &App, call: &ApiRequest) -> Result<ParsedBody, Problem> {
    let _step = telemetry::start_step("parse");
    let wanted =
        Document::parse(call.json_body()?)?.read_object(|fields| read(app, call, fields))?;
    let request = if app.sample_cart {
        wanted.request.with_sample_cart()
    } else {
        wanted.request
    };
    Ok(ParsedBody { request, ..wanted })
}

fn read(app: &App, call: &ApiRequest, fields: &mut Fields<'_, '_>) -> Option<ParsedBody> {
    let spelled = if fields.starts_with(&["customer_id"], '"') {
        "customer_id"
    } else {
        "customer"
    };
    let mut request = OrderRequest::from_fields(fields)?;
    // A customer orders for itself: that is filled in where it is left out, and refused where it says otherwise.
    if let Some(customer) = call.customer() {
        if request
            .customer
            .id
            .as_ref()
            .is_some_and(|id| id != customer)
        {
            fields.reject(spelled, "must be the caller itself");
        }
        request.customer.id = Some(customer.clone());
    }
    let profile = request.profile.as_deref().and_then(|name| {
        if !app.profile_override {
            fields.reject(
                "profile",
                "must not be given: this deployment has one profile for all orders",
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
    Some(ParsedBody { request, profile })
}
