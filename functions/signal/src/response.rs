//! What the order answered, as HTTP says it.

use serde::Serialize;

use contract::{RefusalCode, UpdateOutcome};
use domain::{Address, OrderId, OrderStatus, Step};
use order_client::Error;
use orderflow_http::{ApiResponse, Problem};

/// It holds. `already`: it held before, nothing new happened.
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
}

/// It is not decided yet; the order's status will tell.
#[derive(Debug, Serialize)]
pub struct SignalUndecided<'a> {
    pub order_id: &'a OrderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OrderStatus>,
    pub message: &'a str,
}

/// The order's own answer; `repeated` when it was given before.
pub(crate) fn outcome_response(
    order_id: &OrderId,
    answer: UpdateOutcome,
    repeated: bool,
) -> Result<ApiResponse, Problem> {
    match answer {
        UpdateOutcome::Done {
            status,
            step,
            message,
            already,
            shipping_address,
        } => ApiResponse::ok(&SignalDone {
            order_id,
            status,
            step,
            message: &message,
            already: already || repeated,
            shipping_address: shipping_address.as_ref(),
        }),
        UpdateOutcome::Refused {
            code,
            detail,
            status,
        } => {
            // This one begins with an id, which is as it is.
            let of_payment = code == RefusalCode::PaymentIdInUse;
            let detail = if of_payment {
                format!("the payment {detail}")
            } else {
                detail
            };
            Err(Problem::refused_by_order(
                code,
                &sentence(&detail),
                Some(status),
            ))
        }
        UpdateOutcome::Undecided { status, message } => {
            undecided_response(order_id, Some(status), &message)
        }
    }
}

/// It goes on; the status will tell.
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

pub(crate) fn client_problem(error: Error, order_id: &OrderId) -> Problem {
    match error {
        Error::NotFound => Problem::order_not_found(order_id.as_str()),
        Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_) => error.into(),
    }
}

/// The domain speaks in fragments; a problem's detail is a sentence.
fn sentence(fragment: &str) -> String {
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
    fn a_fragment_becomes_a_sentence() {
        assert_eq!(sentence("the parcel has left"), "The parcel has left.");
        assert_eq!(sentence("Done."), "Done.");
    }
}
