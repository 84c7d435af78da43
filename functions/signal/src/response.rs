//! HTTP responses to the order's decisions.

use serde::Serialize;

use contract::{LineItemView, RefusalCode, UpdateOutcome};
use domain::{Address, Decimal, Notes, OrderId, OrderStatus, Step};
use order_client::Error;
use orderflow_http::{ApiResponse, ETag, Problem};

/// The body of a response to a command that is in effect.
///
/// `already` is true if an earlier request had the same effect.
#[derive(Debug, Serialize)]
pub struct SignalDone<'a> {
    pub order_id: &'a OrderId,
    pub status: OrderStatus,
    pub step: Step,
    pub message: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<&'a Address>,
    /// The notes after a change of them.
    #[serde(flatten)]
    pub notes: Notes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<&'a [LineItemView]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_amount: Option<Decimal>,
}

/// The body of a response to a command that the order has not decided yet.
#[derive(Debug, Serialize)]
pub struct SignalUndecided<'a> {
    pub order_id: &'a OrderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OrderStatus>,
    pub message: &'a str,
}

/// Returns the response to the order's decision; `repeated` is true for a retry.
pub(crate) fn outcome_response(
    order_id: &OrderId,
    outcome: UpdateOutcome,
    repeated: bool,
) -> Result<ApiResponse, Problem> {
    match outcome {
        UpdateOutcome::Done {
            status,
            step,
            message,
            already,
            shipping_address,
            notes,
            items,
            seq,
        } => {
            let response = ApiResponse::ok(&SignalDone {
                order_id,
                status,
                step,
                message: &message,
                already: already || repeated,
                shipping_address: shipping_address.as_deref(),
                notes: notes.map(|notes| *notes).unwrap_or_default(),
                items: items.as_ref().map(|changed| &*changed.items),
                total_amount: items.as_ref().map(|changed| changed.total_amount),
            })?;
            Ok(with_tag(response, seq))
        }
        UpdateOutcome::Refused {
            code,
            detail,
            status,
            payment,
        } => {
            // This detail begins with a payment id, whose first letter must not be capitalized.
            let is_payment = code == RefusalCode::PaymentIdInUse;
            let detail = if is_payment {
                format!("the payment {detail}")
            } else {
                detail
            };
            Err(
                Problem::refused_by_order(code, &to_sentence(&detail), Some(status))
                    .with_payment_status(payment),
            )
        }
        UpdateOutcome::Undecided { status, message } => {
            undecided_response(order_id, Some(status), &message)
        }
    }
}

/// Adds the tag of the order after the request, if it is known.
pub(crate) fn with_tag(response: ApiResponse, seq: Option<u32>) -> ApiResponse {
    match seq {
        Some(seq) => response.with_etag(ETag(seq)),
        None => response,
    }
}

/// Returns 202 with the path of the order's status.
pub(crate) fn undecided_response(
    order_id: &OrderId,
    status: Option<OrderStatus>,
    message: &str,
) -> Result<ApiResponse, Problem> {
    ApiResponse::accepted(
        format!("/orders/{order_id}/status"),
        &SignalUndecided {
            order_id,
            status,
            message,
        },
    )
}

/// Returns the problem of a failed call to Temporal; an unknown order is named.
pub(crate) fn client_problem(error: Error, order_id: &OrderId) -> Problem {
    match error {
        Error::NotFound => Problem::order_not_found(order_id.as_str()),
        Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_) => error.into(),
    }
}

/// Returns the domain's fragment as a sentence, for a problem's detail.
pub(crate) fn to_sentence(fragment: &str) -> String {
    let mut characters = fragment.chars();
    let first = characters
        .next()
        .map(char::to_uppercase)
        .into_iter()
        .flatten();
    let end = if fragment.ends_with('.') { "" } else { "." };
    first.chain(characters).collect::<String>() + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragment_becomes_a_sentence() {
        assert_eq!(to_sentence("the parcel has left"), "The parcel has left.");
        assert_eq!(to_sentence("Done."), "Done.");
    }
}
