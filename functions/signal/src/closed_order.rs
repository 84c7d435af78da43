//! Requests to a closed order: already in effect, or rejected.

use crate::response;
use contract::{
    OrderView, PaymentConfirmation, RefusalCode, ReportedPayment, RequestOrigin, Source,
    UpdateOutcome,
};
use domain::{Money, OrderId, OrderState, OrderStatus, ReviewDecision, Step, Transaction};
use order_client::{Error, OrderClient, OrderCommand};
use orderflow_http::{ApiResponse, Problem};

/// A request to an order that has ended.
pub(crate) struct ClosedOrder<'a> {
    pub(crate) orders: &'a OrderClient,
    pub(crate) order_id: &'a OrderId,
    pub(crate) origin: &'a RequestOrigin,
}

impl ClosedOrder<'_> {
    /// Responds to a command by the final state of the order.
    pub(crate) async fn respond(&self, command: &OrderCommand) -> Result<ApiResponse, Problem> {
        let (orders, order_id) = (self.orders, self.order_id);
        match orders.query_order(order_id).await {
            Ok(view) => {
                // The workflow does not know the audit events after its end.
                let checked = self.origin.check_not_older(view.seq);
                checked.map_err(|changed| Problem::precondition_failed(changed.seq))?;
                let outcome = if let OrderCommand::ConfirmPayment(confirmation) = command {
                    refuse_or_repeat_payment(orders, order_id, confirmation, &view).await?
                } else {
                    decide(command, &view)
                };
                response::outcome_response(order_id, outcome, false)
            }
            // The precondition needs the number of the last audit event, which only a worker knows.
            Err(error @ Error::NoWorker)
                if needs_only_status(command) && self.origin.if_match.is_none() =>
            {
                let described = orders
                    .describe_order(order_id)
                    .await
                    .map_err(|error| response::client_problem(error, order_id))?;
                let Some(status) = described.status else {
                    return Err(response::client_problem(error, order_id));
                };
                // Temporal itself stores the status, which is enough for these commands.
                let blank = OrderView::from_state(
                    &OrderState::new(order_id.clone(), described.started_at),
                    Source::Temporal,
                );
                let view = OrderView {
                    status,
                    step: Step::Done,
                    is_running: false,
                    ..blank
                };
                response::outcome_response(order_id, decide(command, &view), false)
            }
            Err(error) => Err(response::client_problem(error, order_id)),
        }
    }
}

/// Decides a confirmation of a payment. A refused one is recorded for the work list, because the
/// customer may have paid. A settlement records it, because the order's workflow has ended.
async fn refuse_or_repeat_payment(
    orders: &OrderClient,
    order_id: &OrderId,
    confirmation: &PaymentConfirmation,
    view: &OrderView,
) -> Result<UpdateOutcome, Problem> {
    let problem = |error| response::client_problem(error, order_id);
    let transactions = orders.query_payments(order_id).await.map_err(problem)?;
    let known = transactions
        .iter()
        .find(|transaction| transaction.is_called(&confirmation.transaction_id));
    let outcome = decide_payment(confirmation, known, view);
    let UpdateOutcome::Refused { code, .. } = &outcome else {
        return Ok(outcome);
    };
    let recorded = known
        .filter(|_| *code == RefusalCode::TransactionMismatch)
        .and_then(recorded_money);
    if known.is_none() || recorded.is_some() {
        let report = confirmation.refused_report(order_id, *code, view.currency);
        orders
            .record_refused_report(report.of_recorded(recorded))
            .await
            .map_err(problem)?;
    }
    Ok(outcome)
}

/// Returns the decision about a confirmation; `known` is the transaction if the order has it.
fn decide_payment(
    confirmation: &PaymentConfirmation,
    known: Option<&Transaction>,
    view: &OrderView,
) -> UpdateOutcome {
    let is_stopped = matches!(view.status, OrderStatus::Cancelled | OrderStatus::Failed);
    let payment = known.map_or(ReportedPayment::NotTaken, |transaction| {
        ReportedPayment::of(transaction, is_stopped)
    });
    let changed = known.filter(|transaction| !confirmation.repeats(transaction));
    let (code, detail) = if let Some(recorded) = changed.and_then(recorded_money) {
        let id = &confirmation.transaction_id;
        let detail = format!("{id} is recorded with {recorded}");
        (RefusalCode::TransactionMismatch, detail)
    } else if is_stopped && payment != ReportedPayment::NotTaken {
        let detail = format!(
            "the order is {}; it has the payment and refunds it",
            view.status
        );
        (RefusalCode::PaymentRefunded, detail)
    } else if !is_stopped && (known.is_some() || is_shown(confirmation, view)) {
        return in_effect(view, None);
    } else {
        let detail = format!("the order is {} and closed", view.status);
        (RefusalCode::OrderClosed, detail)
    };
    UpdateOutcome::Refused {
        code,
        detail,
        status: view.status,
        payment: Some(payment),
    }
}

/// Returns whether the order shows the transaction. A worker of an earlier release returns no others.
fn is_shown(confirmation: &PaymentConfirmation, view: &OrderView) -> bool {
    let payment = view.payment_info.as_ref();
    let shown = payment.and_then(|payment| payment.transaction_id.as_ref());
    shown == Some(&confirmation.transaction_id)
}

fn recorded_money(transaction: &Transaction) -> Option<Money> {
    let minor = match transaction.balance.captured {
        0 => transaction.amount,
        captured => captured,
    };
    Money::from_minor(minor, transaction.currency).ok()
}

/// Returns the success of a request that was in effect already.
fn in_effect(view: &OrderView, address: Option<Box<domain::Address>>) -> UpdateOutcome {
    UpdateOutcome::Done {
        status: view.status,
        step: view.step,
        message: format!(
            "The order is {} and closed; the request was already in effect.",
            view.status
        ),
        already: true,
        shipping_address: address,
        notes: None,
        items: None,
        seq: (view.source != Source::Temporal).then_some(view.seq),
    }
}

/// Returns whether the order's status alone decides the command.
///
/// Any other command can be a retry of one that the order accepted, so a rejection could be wrong.
fn needs_only_status(command: &OrderCommand) -> bool {
    match command {
        OrderCommand::Cancel(_)
        | OrderCommand::ConfirmDelivery(_)
        | OrderCommand::Hold(_)
        | OrderCommand::Release(_) => true,
        OrderCommand::Approve(_)
        | OrderCommand::Reject(_)
        | OrderCommand::UpdateAddress(_)
        | OrderCommand::CancelPayment(_)
        | OrderCommand::ConfirmPayment(_)
        | OrderCommand::UpdateItems(_)
        | OrderCommand::Update(_) => false,
    }
}

/// Returns the decision of a closed order: the command is already in effect, or is refused.
fn decide(command: &OrderCommand, view: &OrderView) -> UpdateOutcome {
    let has_shipped = matches!(view.status, OrderStatus::Shipped | OrderStatus::Delivered);
    let is_in_effect = match command {
        OrderCommand::Approve(_) => view.review == Some(ReviewDecision::Approved),
        OrderCommand::Reject(_) => view.review == Some(ReviewDecision::Rejected),
        OrderCommand::Cancel(_) => view.status == OrderStatus::Cancelled,
        OrderCommand::UpdateAddress(change) => {
            let present = view.shipping_address.as_ref();
            present.is_some() && change.applied_to(present).as_ref() == present
        }
        OrderCommand::CancelPayment(_) => view
            .payment_info
            .as_ref()
            .is_some_and(|payment| payment.status.is_refunded_or_due()),
        OrderCommand::ConfirmPayment(confirmation) => {
            return decide_payment(confirmation, None, view);
        }
        OrderCommand::ConfirmDelivery(_) => view.status == OrderStatus::Delivered,
        OrderCommand::UpdateItems(change) => change.items.iter().all(|item| {
            let lines = view
                .items
                .iter()
                .filter(|line| line["sku"] == item.sku.as_str());
            let units: u64 = lines.filter_map(|line| line["quantity"].as_u64()).sum();
            units == u64::from(item.quantity)
        }),
        OrderCommand::Hold(_) => false,
        // A closed order is not held.
        OrderCommand::Release(_) => true,
        // A workflow changes the row instead (`OrderClient::change_closed_order`).
        OrderCommand::Update(_) => false,
    };
    if is_in_effect {
        let address = matches!(command, OrderCommand::UpdateAddress(_))
            .then(|| view.shipping_address.clone())
            .flatten()
            .map(Box::new);
        return in_effect(view, address);
    }
    let code = match command {
        OrderCommand::Cancel(_)
        | OrderCommand::UpdateAddress(_)
        | OrderCommand::CancelPayment(_)
        | OrderCommand::UpdateItems(_)
        | OrderCommand::Hold(_)
            if has_shipped =>
        {
            RefusalCode::AlreadyShipped
        }
        OrderCommand::Approve(_)
        | OrderCommand::Reject(_)
        | OrderCommand::Cancel(_)
        | OrderCommand::UpdateAddress(_)
        | OrderCommand::CancelPayment(_)
        | OrderCommand::ConfirmPayment(_)
        | OrderCommand::ConfirmDelivery(_)
        | OrderCommand::Hold(_)
        | OrderCommand::Release(_)
        | OrderCommand::UpdateItems(_)
        | OrderCommand::Update(_) => RefusalCode::OrderClosed,
    };
    UpdateOutcome::Refused {
        code,
        detail: format!("the order is {} and closed", view.status),
        status: view.status,
        payment: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Approval, Cancellation, DeliveryConfirmation};
    use domain::AddressChange;

    fn ended(status: OrderStatus) -> OrderView {
        let record = OrderState::new(
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
            ..OrderView::from_state(&record, Source::Workflow)
        }
    }

    fn decide_for(command: OrderCommand, status: OrderStatus) -> Result<bool, RefusalCode> {
        match decide(&command, &ended(status)) {
            UpdateOutcome::Done { already, .. } => Ok(already),
            UpdateOutcome::Refused { code, .. } => Err(code),
            UpdateOutcome::Undecided { .. } => panic!("a closed order has decided"),
        }
    }

    #[test]
    fn command_in_effect_is_a_no_op() {
        let cancel = || OrderCommand::Cancel(Cancellation::default());
        assert_eq!(decide_for(cancel(), OrderStatus::Cancelled), Ok(true));
        assert_eq!(
            decide_for(cancel(), OrderStatus::Delivered),
            Err(RefusalCode::AlreadyShipped)
        );
        assert_eq!(
            decide_for(cancel(), OrderStatus::Failed),
            Err(RefusalCode::OrderClosed)
        );
        let delivered = OrderCommand::ConfirmDelivery(DeliveryConfirmation::default());
        assert_eq!(decide_for(delivered, OrderStatus::Delivered), Ok(true));
    }

    #[test]
    fn only_a_different_address_is_rejected() {
        let to = |street: &str| {
            OrderCommand::UpdateAddress(AddressChange {
                street: Some(street.to_owned()),
                ..AddressChange::default()
            })
        };
        assert_eq!(
            decide_for(to("1 Main St"), OrderStatus::Delivered),
            Ok(true)
        );
        assert_eq!(
            decide_for(to("2 Side St"), OrderStatus::Delivered),
            Err(RefusalCode::AlreadyShipped)
        );
        assert_eq!(
            decide_for(to("2 Side St"), OrderStatus::Cancelled),
            Err(RefusalCode::OrderClosed)
        );
    }

    #[test]
    fn approval_after_the_end_is_rejected() {
        let approve = OrderCommand::Approve(Approval::default());
        assert_eq!(
            decide_for(approve.clone(), OrderStatus::Delivered),
            Err(RefusalCode::OrderClosed)
        );
        let approved = OrderView {
            review: Some(ReviewDecision::Approved),
            ..ended(OrderStatus::Delivered)
        };
        assert!(matches!(
            decide(&approve, &approved),
            UpdateOutcome::Done { already: true, .. }
        ));
    }
}
