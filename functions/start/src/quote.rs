//! The prices of an order: from the body, or from a quote that the shop has signed.

use std::borrow::Cow;

use serde_json::Value;

use crate::app::App;
use contract::{FieldError, InvalidFields, QuotedFields, priced_fields, with_quote};
use orderflow_http::{ApiRequest, Problem, ProblemCode, QuoteError, Scope};

/// The body of a request, in which a quote is replaced by the fields that it sets.
pub(crate) struct PricedBody<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) is_quoted: bool,
    /// Whether the quote has expired, so that the request can only repeat an earlier one.
    pub(crate) is_expired: bool,
}

/// Returns the body with its prices.
///
/// # Errors
///
/// The quote is rejected, or the caller may not set a price.
pub(crate) async fn price_body<'a>(
    app: &App,
    request: &'a ApiRequest,
) -> Result<PricedBody<'a>, Problem> {
    let text = request.json_body()?;
    let as_sent = PricedBody {
        text: Cow::Borrowed(text),
        is_quoted: false,
        is_expired: false,
    };
    // The reader of the order reports a syntax error.
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        return Ok(as_sent);
    };
    match body.get("quote") {
        None | Some(Value::Null) => {
            require_no_price(request, &body)?;
            Ok(as_sent)
        }
        // A blank text counts as absent, in every field.
        Some(Value::String(quote)) if quote.trim().is_empty() => {
            require_no_price(request, &body)?;
            Ok(PricedBody {
                text: Cow::Owned(without_quote(body).to_string()),
                is_quoted: false,
                is_expired: false,
            })
        }
        Some(Value::String(quote)) => {
            let (quote, is_expired) = verify(app, request, quote).await?;
            Ok(PricedBody {
                text: Cow::Owned(with_quote(&body, &quote)?.to_string()),
                is_quoted: true,
                is_expired,
            })
        }
        Some(_) => Err(invalid_field(
            "must be a text: the quote in its compact form",
        )),
    }
}

fn without_quote(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("quote");
    }
    body
}

/// Rejects prices of a customer's caller, which may not set them.
fn require_no_price(request: &ApiRequest, body: &Value) -> Result<(), Problem> {
    if request.customer().is_none() || request.has_scope(Scope::Price) {
        return Ok(());
    }
    let priced = priced_fields(body);
    if priced.is_empty() {
        let has_items = body["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty());
        return if has_items {
            Err(invalid_field(
                "is required: it sets the prices of the items",
            ))
        } else {
            Ok(())
        };
    }
    let errors = priced.into_iter().map(|pointer| FieldError {
        pointer,
        detail: format!(
            "must be absent: a customer's caller sends a quote of the shop, or has the scope {}",
            Scope::Price
        ),
    });
    Err(InvalidFields(errors.collect()).into())
}

/// Returns the fields of a valid quote, and whether it has expired.
async fn verify(
    app: &App,
    request: &ApiRequest,
    quote: &str,
) -> Result<(QuotedFields, bool), Problem> {
    let Some(verifier) = &app.quotes else {
        return Err(invalid_field(
            "must be absent: this deployment has no keys of quotes (QUOTE_JWKS or QUOTE_JWKS_URL)",
        ));
    };
    let verified = verifier.verify(quote).await.map_err(|error| match error {
        QuoteError::Invalid(why) => rejected(why),
        QuoteError::Unavailable(why) => Problem::auth_unavailable(&why),
    })?;
    let text = |name: &str| verified.claims.get(name).and_then(Value::as_str);
    let customer = text("customer_id").ok_or_else(|| rejected("it has no customer_id"))?;
    if request
        .customer()
        .is_some_and(|caller| caller.as_str() != customer)
    {
        return Err(rejected("it is for another customer"));
    }
    let items = verified.claims.get("items").and_then(Value::as_array);
    if text("currency").is_none() || items.is_none_or(Vec::is_empty) {
        return Err(rejected("it has no currency or no items"));
    }
    let fields = QuotedFields {
        id: verified.id,
        key_id: verified.key_id,
        claims: verified.claims,
    };
    Ok((fields, verified.is_expired))
}

/// Returns the problem of a new order with an expired quote.
pub(crate) fn expired() -> Problem {
    Problem::new(
        ProblemCode::QuoteExpired,
        "The quote has expired; ask the shop for a new one.",
    )
}

/// Returns the problem of a quote with a defect. The reason is in the log only.
pub(crate) fn rejected(why: &str) -> Problem {
    tracing::warn!("a quote is rejected: {why}");
    Problem::new(
        ProblemCode::QuoteInvalid,
        "The quote is not valid for this request; ask the shop for a new one.",
    )
}

fn invalid_field(detail: &str) -> Problem {
    InvalidFields(vec![FieldError {
        pointer: "/quote".to_owned(),
        detail: detail.to_owned(),
    }])
    .into()
}
