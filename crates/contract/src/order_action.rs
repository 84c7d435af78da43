//! The requests that an order accepts now.

use crate::OrderView;
use domain::{OrderStatus, PaymentStatus, WaitReason, string_enum};

string_enum! {
    /// A request to an order, by the last segment of its path. `update` is `PATCH /orders/{id}`.
    OrderAction {
        Approve => "approve",
        Reject => "reject",
        Cancel => "cancel",
        UpdateAddress => "update-address",
        CancelPayment => "cancel-payment",
        ConfirmPayment => "confirm-payment",
        ConfirmDelivery => "confirm-delivery",
        Hold => "hold",
        Release => "release",
        UpdateItems => "update-items",
        Update => "update",
        Refund => "refunds",
        Return => "returns",
    }
}

/// Returns the requests that the order accepts in the state of `order`.
///
/// During dispatch, the carrier decides about a cancel or a change, so such a request can still be
/// refused. A payment that is confirmed during the review before it is accepted, but not listed,
/// because the order may charge the payment itself.
pub fn allowed_actions(order: &OrderView) -> Vec<OrderAction> {
    let is_allowed = |action: &OrderAction| is_allowed(order, *action);
    OrderAction::ALL
        .iter()
        .copied()
        .filter(is_allowed)
        .collect()
}

fn is_allowed(order: &OrderView, action: OrderAction) -> bool {
    let reason = order.waiting_for.as_ref().map(|wait| wait.reason);
    let is_before_dispatch = order.is_running
        && match order.status {
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => true,
            OrderStatus::Shipped
            | OrderStatus::Delivered
            | OrderStatus::Cancelled
            | OrderStatus::Failed => false,
        };
    match action {
        OrderAction::Approve | OrderAction::Reject => {
            is_before_dispatch
                && matches!(reason, Some(WaitReason::Review | WaitReason::PaymentHold))
        }
        OrderAction::Cancel | OrderAction::UpdateAddress => is_before_dispatch,
        OrderAction::UpdateItems => {
            let waiting = order.waiting_for.as_ref();
            let is_released = waiting.is_some_and(|wait| wait.stock_released);
            // The refund can have been for the units that the change removes.
            let payment = order.payment_info.as_ref();
            let is_refunded = payment.is_some_and(|payment| payment.granted.is_some());
            is_before_dispatch && !is_released && !is_refunded
        }
        OrderAction::CancelPayment => {
            let is_paid = order
                .payment_info
                .as_ref()
                .is_some_and(|payment| payment.status == PaymentStatus::Captured);
            is_before_dispatch && is_paid && order.status != OrderStatus::Pending
        }
        OrderAction::ConfirmPayment => {
            let waits_for_money = match reason {
                Some(
                    WaitReason::Payment | WaitReason::PaymentRest | WaitReason::PaymentProcessing,
                ) => true,
                Some(
                    WaitReason::Review
                    | WaitReason::PaymentDelay
                    | WaitReason::PaymentHold
                    | WaitReason::Hold
                    | WaitReason::ShippingDelay
                    | WaitReason::Delivery,
                )
                | None => false,
            };
            // An order whose own charge is repeated takes no other payment.
            let is_charged = order
                .waiting_for
                .as_ref()
                .is_some_and(|wait| wait.next_attempt_at.is_some());
            is_before_dispatch && waits_for_money && !is_charged
        }
        OrderAction::ConfirmDelivery => order.is_running && order.status == OrderStatus::Shipped,
        OrderAction::Hold => is_before_dispatch && order.hold.is_none(),
        OrderAction::Release => is_before_dispatch && order.hold.is_some(),
        OrderAction::Update => !order.document_pending,
        OrderAction::Refund => {
            // Money of an order that waits for the rest of its payment is kept for it.
            let is_unpaid = order.is_running && order.status == OrderStatus::Pending;
            let currency = order.currency;
            let amounts = order.amounts.as_ref().zip(currency);
            !is_unpaid
                && amounts.is_some_and(|(amounts, currency)| amounts.are_refundable(currency))
        }
        OrderAction::Return => !order.is_running && order.status.is_dispatched(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{Amounts, MovedMoney, Source};
    use domain::{
        Currency, Decimal, Money, OrderId, OrderState, PaymentId, PaymentInfo, WaitingFor,
    };

    fn order(status: OrderStatus, reason: Option<WaitReason>) -> OrderView {
        let state = OrderState::new(OrderId::parse("o-1").unwrap(), DateTime::UNIX_EPOCH);
        OrderView {
            status,
            waiting_for: reason.map(WaitingFor::without_end),
            ..OrderView::from_state(&state, Source::Workflow)
        }
    }

    #[test]
    fn closed_order_accepts_notes_and_returns() {
        for status in OrderStatus::ALL {
            for reason in WaitReason::ALL {
                let closed = OrderView {
                    is_running: false,
                    document_pending: false,
                    ..order(*status, Some(*reason))
                };
                let expected = match status {
                    OrderStatus::Shipped | OrderStatus::Delivered => {
                        &[OrderAction::Update, OrderAction::Return][..]
                    }
                    OrderStatus::Pending
                    | OrderStatus::PaymentConfirmed
                    | OrderStatus::Preparing
                    | OrderStatus::Cancelled
                    | OrderStatus::Failed => &[OrderAction::Update],
                };
                assert_eq!(allowed_actions(&closed), expected, "{status}");
            }
        }
    }

    #[test]
    fn captured_money_that_is_left_can_be_refunded() {
        let currency = Currency::parse("USD").unwrap();
        let total = Decimal::new(1_000, 2);
        for (refunded, due, expected) in [(0, 0, true), (400, 599, true), (400, 600, false)] {
            let money = MovedMoney {
                captured: 1_000,
                refunded,
                due,
            };
            let paid = OrderView {
                currency: Some(currency),
                amounts: Some(Amounts::from_ledger(total, currency, money)),
                ..order(OrderStatus::Delivered, None)
            };
            let actions = allowed_actions(&paid);
            assert_eq!(
                actions.contains(&OrderAction::Refund),
                expected,
                "{money:?}"
            );
        }
    }

    #[test]
    fn part_of_a_payment_is_not_refunded() {
        let currency = Currency::parse("USD").unwrap();
        let part = MovedMoney {
            captured: 400,
            ..MovedMoney::default()
        };
        let amounts = Amounts::from_ledger(Decimal::new(1_000, 2), currency, part);
        for (status, is_running, expected) in [
            (OrderStatus::Pending, true, false),
            (OrderStatus::PaymentConfirmed, true, true),
            (OrderStatus::Cancelled, false, true),
        ] {
            let paid_in_part = OrderView {
                is_running,
                currency: Some(currency),
                amounts: Some(amounts.clone()),
                ..order(status, Some(WaitReason::PaymentRest))
            };
            let actions = allowed_actions(&paid_in_part);
            assert_eq!(actions.contains(&OrderAction::Refund), expected, "{status}");
        }
    }

    #[test]
    fn quantities_stay_without_stock_and_after_a_refund() {
        let accepts = |order: &OrderView| {
            let actions = allowed_actions(order);
            assert!(actions.contains(&OrderAction::UpdateAddress));
            actions.contains(&OrderAction::UpdateItems)
        };
        let mut unpaid = order(OrderStatus::Pending, Some(WaitReason::Payment));
        assert!(accepts(&unpaid));
        unpaid.waiting_for.as_mut().unwrap().stock_released = true;
        assert!(!accepts(&unpaid));

        let currency = Currency::parse("USD").unwrap();
        let payment = PaymentInfo::pending(
            PaymentId::parse("pmt-1").unwrap(),
            None,
            Money::from_minor(1_000, currency).unwrap(),
            None,
            DateTime::UNIX_EPOCH,
        );
        let mut paid = OrderView {
            payment_info: Some(payment),
            ..order(OrderStatus::Preparing, Some(WaitReason::ShippingDelay))
        };
        let refunded = |granted: Option<Decimal>| PaymentInfo {
            refunded: Some(Decimal::new(400, 2)),
            granted,
            ..paid.payment_info.clone().unwrap()
        };
        let (by_shop, by_provider) = (refunded(Some(Decimal::new(400, 2))), refunded(None));
        paid.payment_info = Some(by_provider);
        assert!(accepts(&paid));
        paid.payment_info = Some(by_shop);
        assert!(!accepts(&paid));
    }

    #[test]
    fn actions_follow_the_wait() {
        let requests = |order: &OrderView| {
            let actions = allowed_actions(order).into_iter();
            let requests = actions.filter(|action| *action != OrderAction::Update);
            requests.collect::<Vec<_>>()
        };
        let waiting = |reason| requests(&order(OrderStatus::Pending, reason));
        let (cancel, address) = (OrderAction::Cancel, OrderAction::UpdateAddress);
        let (hold, items) = (OrderAction::Hold, OrderAction::UpdateItems);
        assert_eq!(waiting(None), [cancel, address, hold, items]);
        assert_eq!(
            waiting(Some(WaitReason::Review)),
            [
                OrderAction::Approve,
                OrderAction::Reject,
                cancel,
                address,
                hold,
                items
            ]
        );
        assert_eq!(
            waiting(Some(WaitReason::Payment)),
            [cancel, address, OrderAction::ConfirmPayment, hold, items]
        );
        let shipped = order(OrderStatus::Shipped, Some(WaitReason::Delivery));
        assert_eq!(requests(&shipped), [OrderAction::ConfirmDelivery]);
    }
}
