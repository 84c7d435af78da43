//! A request to an order that is over: it holds already, or it is refused.

use crate::answer;
use contract::{Answer, OrderView, RefusalCode, Source};
use domain::{OrderId, OrderRecord, OrderStatus, ReviewDecision, Step};
use order_client::{Command, Error, Orders};
use orderflow_http::{Problem, Reply};

/// Asks the closed order how it ended and answers by that.
pub(crate) async fn closed(
    orders: &Orders,
    order_id: &OrderId,
    command: &Command,
) -> Result<Reply, Problem> {
    match orders.full_state(order_id).await {
        Ok(view) => answer::answered(order_id, judge(command, &view), false),
        Err(error @ Error::NoWorker) if needs_only_status(command) => {
            let described = orders
                .describe(order_id)
                .await
                .map_err(|error| answer::failed(error, order_id))?;
            let Some(status) = described.status else {
                return Err(answer::failed(error, order_id));
            };
            // All that Temporal itself knows, and enough for these.
            let blank = OrderView::from_record(
                &OrderRecord::new(order_id.clone(), described.started_at),
                Source::Temporal,
            );
            let view = OrderView {
                status,
                step: Step::Done,
                is_running: false,
                ..blank
            };
            answer::answered(order_id, judge(command, &view), false)
        }
        Err(error) => Err(answer::failed(error, order_id)),
    }
}

/// For the others a refusal could be wrong: it may be a repeat of what the order accepted.
fn needs_only_status(command: &Command) -> bool {
    match command {
        Command::Cancel(_) | Command::ConfirmDelivery(_) => true,
        Command::Approve(_)
        | Command::Reject(_)
        | Command::UpdateAddress(_)
        | Command::CancelPayment(_)
        | Command::ConfirmPayment(_) => false,
    }
}

fn judge(command: &Command, view: &OrderView) -> Answer {
    let left = matches!(view.status, OrderStatus::Shipped | OrderStatus::Delivered);
    let holds = match command {
        Command::Approve(_) => view.review == Some(ReviewDecision::Approved),
        Command::Reject(_) => view.review == Some(ReviewDecision::Rejected),
        Command::Cancel(_) => view.status == OrderStatus::Cancelled,
        Command::UpdateAddress(change) => {
            let present = view.shipping_address.as_ref();
            present.is_some() && change.applied_to(present).as_ref() == present
        }
        Command::CancelPayment(_) => view
            .payment_info
            .as_ref()
            .is_some_and(|payment| payment.status.is_given_back()),
        Command::ConfirmPayment(confirmation) => {
            let paid_by = view
                .payment_info
                .as_ref()
                .and_then(|payment| payment.transaction_id.as_ref());
            paid_by == Some(&confirmation.transaction_id)
        }
        Command::ConfirmDelivery(_) => view.status == OrderStatus::Delivered,
    };
    if holds {
        let address = matches!(command, Command::UpdateAddress(_))
            .then(|| view.shipping_address.clone())
            .flatten();
        return Answer::Done {
            status: view.status,
            step: view.step,
            message: format!(
                "The order is {} and closed; this held already.",
                view.status
            ),
            already: true,
            shipping_address: address,
        };
    }
    let code = match command {
        Command::Cancel(_) | Command::UpdateAddress(_) | Command::CancelPayment(_) if left => {
            RefusalCode::AlreadyShipped
        }
        Command::Approve(_)
        | Command::Reject(_)
        | Command::Cancel(_)
        | Command::UpdateAddress(_)
        | Command::CancelPayment(_)
        | Command::ConfirmPayment(_)
        | Command::ConfirmDelivery(_) => RefusalCode::OrderClosed,
    };
    Answer::Refused {
        code,
        detail: format!("the order is {} and closed", view.status),
        status: view.status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Approval, Cancellation, DeliveryConfirmation};
    use domain::AddressChange;

    fn ended(status: OrderStatus) -> OrderView {
        let record = OrderRecord::new(
            OrderId::parse("o-1").unwrap(),
            "2026-11-21T00:00:00Z".parse().unwrap(),
        );
        let address = AddressChange {
            street: Some("1 Main St".to_owned()),
            ..AddressChange::default()
        };
        OrderView {
            status,
            step: Step::Done,
            is_running: false,
            shipping_address: address.into_address(),
            ..OrderView::from_record(&record, Source::Workflow)
        }
    }

    fn answer(command: Command, status: OrderStatus) -> Result<bool, RefusalCode> {
        match judge(&command, &ended(status)) {
            Answer::Done { already, .. } => Ok(already),
            Answer::Refused { code, .. } => Err(code),
            Answer::Undecided { .. } => panic!("a closed order has decided"),
        }
    }

    #[test]
    fn what_holds_already_is_no_error() {
        let cancel = || Command::Cancel(Cancellation::default());
        assert_eq!(answer(cancel(), OrderStatus::Cancelled), Ok(true));
        assert_eq!(
            answer(cancel(), OrderStatus::Delivered),
            Err(RefusalCode::AlreadyShipped)
        );
        assert_eq!(
            answer(cancel(), OrderStatus::Failed),
            Err(RefusalCode::OrderClosed)
        );
        let delivered = Command::ConfirmDelivery(DeliveryConfirmation::default());
        assert_eq!(answer(delivered, OrderStatus::Delivered), Ok(true));
    }

    #[test]
    fn a_new_address_is_refused_and_the_present_one_is_not() {
        let to = |street: &str| {
            Command::UpdateAddress(AddressChange {
                street: Some(street.to_owned()),
                ..AddressChange::default()
            })
        };
        assert_eq!(answer(to("1 Main St"), OrderStatus::Delivered), Ok(true));
        assert_eq!(
            answer(to("2 Side St"), OrderStatus::Delivered),
            Err(RefusalCode::AlreadyShipped)
        );
        assert_eq!(
            answer(to("2 Side St"), OrderStatus::Cancelled),
            Err(RefusalCode::OrderClosed)
        );
    }

    #[test]
    fn an_approval_that_was_not_given_is_too_late() {
        let approve = Command::Approve(Approval::default());
        assert_eq!(
            answer(approve.clone(), OrderStatus::Delivered),
            Err(RefusalCode::OrderClosed)
        );
        let approved = OrderView {
            review: Some(ReviewDecision::Approved),
            ..ended(OrderStatus::Delivered)
        };
        assert!(matches!(
            judge(&approve, &approved),
            Answer::Done { already: true, .. }
        ));
    }
}
