//! What each request means for the order as it stands. What its state refuses is an answer too, and in the audit trail.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    OrderWorkflow, Review, StopReason,
    requests::{CANCEL_ORDER, CANCEL_PAYMENT, UPDATE_ADDRESS},
};
use crate::Message;
use contract::{
    Approval, Cancellation, DeliveryConfirmation, PaymentCancellation, PaymentConfirmation,
    RefusalCode, Rejection, UpdateOutcome,
};
use domain::{
    Address, AddressChange, AuditEventType, Money, OrderStatus, PaymentStatus, ReviewDecision,
};

const STOPPING: &str = "the order is being stopped";

/// What a request gets at once, or the number of the verdict it must wait for.
pub(super) enum Decision {
    Immediate(UpdateOutcome),
    /// `already`: somebody wanted the same before.
    AfterRecall {
        ticket: u32,
        already: bool,
    },
}

impl OrderWorkflow {
    /// The request in a signal, or an entry in the trail that it was no request.
    pub(super) fn accept_message<T>(
        &mut self,
        request: &str,
        message: Message<T>,
        now: DateTime<Utc>,
    ) -> Option<T> {
        match message {
            Message::Valid(request) => Some(request),
            Message::Malformed(reason) => {
                let payload =
                    json!({"request": request, "code": RefusalCode::Malformed, "detail": reason});
                self.append_audit_event(AuditEventType::RequestRefused, payload, now);
                None
            }
        }
    }

    pub(super) fn decide_approval(
        &mut self,
        approval: Approval,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        match &self.review {
            Review::Open if !self.is_stopped() => {
                self.append_audit_event(AuditEventType::ReviewApproved, json!(approval), now);
                self.review = Review::Approved;
                self.state.review = Some(ReviewDecision::Approved);
                self.success("Order approved.", false)
            }
            Review::Approved => self.success("Order approved.", true),
            Review::Open | Review::Rejected | Review::Over => self.refuse_request(
                "approve_order",
                RefusalCode::NotInReview,
                "the order is not waiting for a review",
                now,
            ),
        }
    }

    pub(super) fn decide_rejection(
        &mut self,
        rejection: Rejection,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        match &self.review {
            Review::Open if !self.is_stopped() => {
                self.append_audit_event(AuditEventType::ReviewRejected, json!(rejection), now);
                self.review = Review::Rejected;
                self.state.review = Some(ReviewDecision::Rejected);
                self.transition_to_cancelled(rejection.reason, "review", now);
                self.success("Order rejected.", false)
            }
            Review::Rejected => self.success("Order rejected.", true),
            Review::Open | Review::Approved | Review::Over => self.refuse_request(
                "reject_order",
                RefusalCode::NotInReview,
                "the order is not waiting for a review",
                now,
            ),
        }
    }

    pub(super) fn decide_cancel(
        &mut self,
        cancellation: Cancellation,
        now: DateTime<Utc>,
    ) -> Decision {
        match self.state.status() {
            OrderStatus::Cancelled => Decision::Immediate(self.success("Order cancelled.", true)),
            OrderStatus::Failed => Decision::Immediate(self.refuse_request(
                CANCEL_ORDER,
                RefusalCode::OrderClosed,
                "the order has failed",
                now,
            )),
            OrderStatus::Shipped | OrderStatus::Delivered => {
                Decision::Immediate(self.refuse_request(
                    CANCEL_ORDER,
                    RefusalCode::AlreadyShipped,
                    "the parcel has left",
                    now,
                ))
            }
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
                let Some(shipping) = &mut self.shipping else {
                    self.transition_to_cancelled(cancellation.reason, "request", now);
                    return Decision::Immediate(self.success("Order cancelled.", false));
                };
                let recall = shipping.recall.get_or_insert_default();
                let already = matches!(recall.stop, Some(StopReason::Cancel { .. }));
                let reason = cancellation.reason.clone();
                recall.stop.get_or_insert(StopReason::Cancel {
                    reason,
                    by: "request",
                });
                self.append_audit_event(
                    AuditEventType::CancelRequested,
                    json!({"reason": cancellation.reason}),
                    now,
                );
                Decision::AfterRecall {
                    ticket: self.recalls_decided,
                    already,
                }
            }
        }
    }

    pub(super) fn decide_address_change(
        &mut self,
        change: &AddressChange,
        now: DateTime<Utc>,
    ) -> Decision {
        if self.is_stopped() {
            return Decision::Immediate(self.refuse_request(
                UPDATE_ADDRESS,
                RefusalCode::OrderClosed,
                "the order is stopped",
                now,
            ));
        }
        if self.state.status().is_dispatched() {
            return Decision::Immediate(self.refuse_request(
                UPDATE_ADDRESS,
                RefusalCode::AlreadyShipped,
                "the parcel has left",
                now,
            ));
        }
        // A new address that is still undecided is what the next change builds on.
        let recall = self
            .shipping
            .as_ref()
            .and_then(|shipping| shipping.recall.as_ref());
        let pending = recall
            .filter(|recall| recall.stop.is_none())
            .and_then(|recall| recall.address.as_ref());
        let present = pending.or(self
            .state
            .order
            .as_ref()
            .and_then(|order| order.shipping_address.as_ref()));
        let Some(address) = change.applied_to(present) else {
            let detail = "the order has no address yet, so the new one must name a street";
            return Decision::Immediate(self.refuse_request(
                UPDATE_ADDRESS,
                RefusalCode::AddressIncomplete,
                detail,
                now,
            ));
        };
        if pending.is_none() && present == Some(&address) {
            return Decision::Immediate(self.address_success(true));
        }
        match &mut self.shipping {
            None => {
                self.change_address(address, now);
                Decision::Immediate(self.address_success(false))
            }
            Some(shipping) => {
                let recall = shipping.recall.get_or_insert_default();
                if recall.stop.is_some() {
                    return Decision::Immediate(self.refuse_request(
                        UPDATE_ADDRESS,
                        RefusalCode::OrderClosed,
                        STOPPING,
                        now,
                    ));
                }
                recall.address = Some(address);
                self.append_audit_event(AuditEventType::AddressRequested, json!({}), now);
                Decision::AfterRecall {
                    ticket: self.recalls_decided,
                    already: false,
                }
            }
        }
    }

    pub(super) fn decide_payment_cancel(
        &mut self,
        cancellation: PaymentCancellation,
        now: DateTime<Utc>,
    ) -> Decision {
        let given_back = self
            .state
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status.is_refunded_or_due());
        let refusal = match self.state.status() {
            _ if given_back => return Decision::Immediate(self.payment_cancel_success(true)),
            OrderStatus::Shipped | OrderStatus::Delivered => {
                (RefusalCode::AlreadyShipped, "the parcel has left")
            }
            OrderStatus::Cancelled | OrderStatus::Failed => {
                (RefusalCode::OrderClosed, "the order is stopped")
            }
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
                match &mut self.shipping {
                    // What is paid ships in the same breath: an order without shipping is not paid.
                    None => (
                        RefusalCode::NotPaid,
                        "nothing is paid that could be given back",
                    ),
                    Some(shipping) => {
                        let recall = shipping.recall.get_or_insert_default();
                        if recall.stop.is_none() {
                            let already = std::mem::replace(&mut recall.payment, true);
                            let payload = json!({"reason": cancellation.reason});
                            self.append_audit_event(
                                AuditEventType::PaymentCancelRequested,
                                payload,
                                now,
                            );
                            return Decision::AfterRecall {
                                ticket: self.recalls_decided,
                                already,
                            };
                        }
                        (RefusalCode::OrderClosed, STOPPING)
                    }
                }
            }
        };
        Decision::Immediate(self.refuse_request(CANCEL_PAYMENT, refusal.0, refusal.1, now))
    }

    pub(super) fn payment_cancel_success(&self, already: bool) -> UpdateOutcome {
        let message = if self.is_refunding() {
            "Payment cancelled. Its refund is under way."
        } else {
            "Payment cancelled and given back."
        };
        self.success(message, already)
    }

    pub(super) fn is_refunding(&self) -> bool {
        self.state
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status == PaymentStatus::Refunding)
    }

    /// Whether the recall of this number has its verdict.
    pub(super) fn is_recall_decided(&self, ticket: u32) -> bool {
        self.shipping.is_none() || self.recalls_decided > ticket
    }

    pub(super) fn change_address(&mut self, address: Address, now: DateTime<Utc>) {
        if let Some(order) = &mut self.state.order {
            order.shipping_address = Some(address);
        }
        // Not the address itself: the trail is read by more people than the order.
        self.append_audit_event(AuditEventType::AddressUpdated, json!({}), now);
    }

    /// `None` when the payment is accepted and must still be recorded.
    pub(super) fn decide_payment_confirmation(
        &mut self,
        confirmation: PaymentConfirmation,
        now: DateTime<Utc>,
    ) -> Option<UpdateOutcome> {
        const REQUEST: &str = "confirm_payment";
        let payment = self.state.payment.as_ref();
        let recorded =
            payment.filter(|payment| self.state.is_paid() || payment.status.is_refunded_or_due());
        let paid_by = recorded.and_then(|payment| payment.transaction_id.as_ref());
        let accepted = self
            .confirmation
            .as_ref()
            .map(|accepted| &accepted.transaction_id);
        if paid_by == Some(&confirmation.transaction_id)
            || self
                .cancelled_payments
                .contains(&confirmation.transaction_id)
        {
            return Some(self.success("Payment confirmed.", true));
        }
        if accepted == Some(&confirmation.transaction_id) {
            return None;
        }
        if self.is_stopped() {
            return Some(self.refuse_request(
                REQUEST,
                RefusalCode::OrderClosed,
                "the order is stopped",
                now,
            ));
        }
        if accepted.is_some() || self.state.is_paid() {
            return Some(self.refuse_request(
                REQUEST,
                RefusalCode::AlreadyPaid,
                "the order is paid by another transaction",
                now,
            ));
        }
        let Some(order) = &self.state.order else {
            return Some(self.refusal(RefusalCode::OrderClosed, "the order was never loaded"));
        };
        let finishes = self.unfinished_transaction.as_ref() == Some(&confirmation.transaction_id);
        if self.is_charged(order) && !finishes {
            let detail = "the order's own payment_id is charged";
            return Some(self.refuse_request(
                REQUEST,
                RefusalCode::PaymentNotExpected,
                detail,
                now,
            ));
        }
        let same_currency = confirmation
            .currency
            .as_deref()
            .is_none_or(|code| code == order.currency.code());
        let amount = Money::from_decimal(confirmation.amount, order.currency);
        if !same_currency || amount.as_ref() != Ok(&order.total) {
            let expected = order.total;
            let payload = json!({
                "transaction_id": confirmation.transaction_id, "amount": confirmation.amount, "currency": confirmation.currency,
                "expected": expected.decimal(), "expected_currency": expected.currency(),
            });
            self.append_audit_event(AuditEventType::PaymentMismatch, payload, now);
            return Some(self.refusal(
                RefusalCode::PaymentMismatch,
                &format!("the order's total is {expected}"),
            ));
        }
        let payload =
            json!({"transaction_id": confirmation.transaction_id, "amount": confirmation.amount});
        self.append_audit_event(AuditEventType::PaymentAccepted, payload, now);
        self.confirmation = Some(confirmation);
        self.confirmation_outcome = None;
        None
    }

    pub(super) fn decide_delivery_confirmation(
        &mut self,
        confirmation: DeliveryConfirmation,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        match self.state.status() {
            OrderStatus::Shipped if self.delivery.is_none() && self.state.is_running() => {
                self.delivery = Some(confirmation);
                self.success("Delivery confirmed.", false)
            }
            OrderStatus::Shipped if self.delivery.is_none() => self.refuse_request(
                "confirm_delivery",
                RefusalCode::OrderClosed,
                "the order ended with its dispatch",
                now,
            ),
            OrderStatus::Shipped | OrderStatus::Delivered => {
                self.success("Delivery confirmed.", true)
            }
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => self
                .refuse_request(
                    "confirm_delivery",
                    RefusalCode::NotShipped,
                    "the parcel has not left",
                    now,
                ),
            OrderStatus::Cancelled | OrderStatus::Failed => self.refuse_request(
                "confirm_delivery",
                RefusalCode::OrderClosed,
                "the order is stopped",
                now,
            ),
        }
    }

    /// Writes a refusal into the trail.
    pub(super) fn audit_refusal(&mut self, request: &str, code: &str, now: DateTime<Utc>) {
        let status = self.state.status();
        self.append_audit_event(
            AuditEventType::RequestRefused,
            json!({"request": request, "code": code, "status": status}),
            now,
        );
    }

    pub(super) fn refuse_request(
        &mut self,
        request: &str,
        code: RefusalCode,
        detail: &str,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        // The trail of an order that is over is closed: this request never reached an open order.
        if self.state.is_running() {
            self.audit_refusal(request, code.as_str(), now);
        }
        self.refusal(code, detail)
    }

    pub(super) fn refusal(&self, code: RefusalCode, detail: &str) -> UpdateOutcome {
        UpdateOutcome::Refused {
            code,
            detail: detail.to_owned(),
            status: self.state.status(),
        }
    }

    pub(super) fn malformed_refusal(&self, reason: String) -> UpdateOutcome {
        UpdateOutcome::Refused {
            code: RefusalCode::Malformed,
            detail: reason,
            status: self.state.status(),
        }
    }

    pub(super) fn success(&self, message: &str, already: bool) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.state.status(),
            step: self.state.step(),
            message: message.to_owned(),
            already,
            shipping_address: None,
        }
    }

    pub(super) fn still_undecided(&self, message: &str) -> UpdateOutcome {
        UpdateOutcome::Undecided {
            status: self.state.status(),
            message: message.to_owned(),
        }
    }

    pub(super) fn address_success(&self, already: bool) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.state.status(),
            step: self.state.step(),
            message: "Shipping address updated.".to_owned(),
            already,
            shipping_address: self
                .state
                .order
                .as_ref()
                .and_then(|order| order.shipping_address.clone()),
        }
    }
}
