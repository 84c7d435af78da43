//! What each request means for the order as it stands. What its state refuses is an answer too, and in the audit trail.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    OrderWorkflow, Review, Stop,
    requests::{CANCEL, CANCEL_PAYMENT, UPDATE_ADDRESS},
};
use crate::Message;
use contract::{
    Answer, Approval, Cancellation, DeliveryConfirmation, PaymentCancellation, PaymentConfirmation,
    RefusalCode, Rejection,
};
use domain::{
    Address, AddressChange, EventType, Money, OrderStatus, PaymentStatus, ReviewDecision,
};

const STOPPING: &str = "the order is being stopped";

/// What a request gets at once, or the number of the verdict it must wait for.
pub(super) enum Reply {
    Now(Answer),
    /// `already`: somebody wanted the same before.
    AfterVerdict {
        ticket: u32,
        already: bool,
    },
}

impl OrderWorkflow {
    /// The request in a signal, or an entry in the trail that it was no request.
    pub(super) fn understood<T>(
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
                self.audit(EventType::RequestRefused, payload, now);
                None
            }
        }
    }

    pub(super) fn approve(&mut self, approval: Approval, now: DateTime<Utc>) -> Answer {
        match &self.review {
            Review::Open if !self.is_stopped() => {
                self.audit(EventType::ReviewApproved, json!(approval), now);
                self.review = Review::Approved;
                self.record.review = Some(ReviewDecision::Approved);
                self.done("Order approved.", false)
            }
            Review::Approved => self.done("Order approved.", true),
            Review::Open | Review::Rejected | Review::Over => self.refuse_answer(
                "approve_order",
                RefusalCode::NotInReview,
                "the order is not waiting for a review",
                now,
            ),
        }
    }

    pub(super) fn reject(&mut self, rejection: Rejection, now: DateTime<Utc>) -> Answer {
        match &self.review {
            Review::Open if !self.is_stopped() => {
                self.audit(EventType::ReviewRejected, json!(rejection), now);
                self.review = Review::Rejected;
                self.record.review = Some(ReviewDecision::Rejected);
                self.cancel(rejection.reason, "review", now);
                self.done("Order rejected.", false)
            }
            Review::Rejected => self.done("Order rejected.", true),
            Review::Open | Review::Approved | Review::Over => self.refuse_answer(
                "reject_order",
                RefusalCode::NotInReview,
                "the order is not waiting for a review",
                now,
            ),
        }
    }

    pub(super) fn request_cancel(
        &mut self,
        cancellation: Cancellation,
        now: DateTime<Utc>,
    ) -> Reply {
        match self.record.status() {
            OrderStatus::Cancelled => Reply::Now(self.done("Order cancelled.", true)),
            OrderStatus::Failed => Reply::Now(self.refuse_answer(
                CANCEL,
                RefusalCode::OrderClosed,
                "the order has failed",
                now,
            )),
            OrderStatus::Shipped | OrderStatus::Delivered => Reply::Now(self.refuse_answer(
                CANCEL,
                RefusalCode::AlreadyShipped,
                "the parcel has left",
                now,
            )),
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
                let Some(shipping) = &mut self.shipping else {
                    self.cancel(cancellation.reason, "request", now);
                    return Reply::Now(self.done("Order cancelled.", false));
                };
                let recall = shipping.recall.get_or_insert_default();
                let already = matches!(recall.stop, Some(Stop::Cancel { .. }));
                let reason = cancellation.reason.clone();
                recall.stop.get_or_insert(Stop::Cancel {
                    reason,
                    by: "request",
                });
                self.audit(
                    EventType::CancelRequested,
                    json!({"reason": cancellation.reason}),
                    now,
                );
                Reply::AfterVerdict {
                    ticket: self.recalls_decided,
                    already,
                }
            }
        }
    }

    pub(super) fn request_address(&mut self, change: &AddressChange, now: DateTime<Utc>) -> Reply {
        if self.is_stopped() {
            return Reply::Now(self.refuse_answer(
                UPDATE_ADDRESS,
                RefusalCode::OrderClosed,
                "the order is stopped",
                now,
            ));
        }
        if self.record.status().is_dispatched() {
            return Reply::Now(self.refuse_answer(
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
            .record
            .order
            .as_ref()
            .and_then(|order| order.shipping_address.as_ref()));
        let Some(address) = change.applied_to(present) else {
            let detail = "the order has no address yet, so the new one must name a street";
            return Reply::Now(self.refuse_answer(
                UPDATE_ADDRESS,
                RefusalCode::AddressIncomplete,
                detail,
                now,
            ));
        };
        if pending.is_none() && present == Some(&address) {
            return Reply::Now(self.address_answer(true));
        }
        match &mut self.shipping {
            None => {
                self.change_address(address, now);
                Reply::Now(self.address_answer(false))
            }
            Some(shipping) => {
                let recall = shipping.recall.get_or_insert_default();
                if recall.stop.is_some() {
                    return Reply::Now(self.refuse_answer(
                        UPDATE_ADDRESS,
                        RefusalCode::OrderClosed,
                        STOPPING,
                        now,
                    ));
                }
                recall.address = Some(address);
                self.audit(EventType::AddressRequested, json!({}), now);
                Reply::AfterVerdict {
                    ticket: self.recalls_decided,
                    already: false,
                }
            }
        }
    }

    pub(super) fn request_payment_cancel(
        &mut self,
        cancellation: PaymentCancellation,
        now: DateTime<Utc>,
    ) -> Reply {
        let given_back = self
            .record
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status.is_given_back());
        let refusal = match self.record.status() {
            _ if given_back => return Reply::Now(self.payment_cancelled(true)),
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
                            self.audit(EventType::PaymentCancelRequested, payload, now);
                            return Reply::AfterVerdict {
                                ticket: self.recalls_decided,
                                already,
                            };
                        }
                        (RefusalCode::OrderClosed, STOPPING)
                    }
                }
            }
        };
        Reply::Now(self.refuse_answer(CANCEL_PAYMENT, refusal.0, refusal.1, now))
    }

    pub(super) fn payment_cancelled(&self, already: bool) -> Answer {
        let message = if self.is_refunding() {
            "Payment cancelled. Its refund is under way."
        } else {
            "Payment cancelled and given back."
        };
        self.done(message, already)
    }

    pub(super) fn is_refunding(&self) -> bool {
        self.record
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status == PaymentStatus::Refunding)
    }

    /// Whether the recall of this number has its verdict.
    pub(super) fn is_decided(&self, ticket: u32) -> bool {
        self.shipping.is_none() || self.recalls_decided > ticket
    }

    pub(super) fn change_address(&mut self, address: Address, now: DateTime<Utc>) {
        if let Some(order) = &mut self.record.order {
            order.shipping_address = Some(address);
        }
        // Not the address itself: the trail is read by more people than the order.
        self.audit(EventType::AddressUpdated, json!({}), now);
    }

    /// `None` when the payment is accepted and must still be recorded.
    pub(super) fn accept_confirmation(
        &mut self,
        confirmation: PaymentConfirmation,
        now: DateTime<Utc>,
    ) -> Option<Answer> {
        const REQUEST: &str = "confirm_payment";
        let payment = self.record.payment.as_ref();
        let recorded =
            payment.filter(|payment| self.record.is_paid() || payment.status.is_given_back());
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
            return Some(self.done("Payment confirmed.", true));
        }
        if accepted == Some(&confirmation.transaction_id) {
            return None;
        }
        if self.is_stopped() {
            return Some(self.refuse_answer(
                REQUEST,
                RefusalCode::OrderClosed,
                "the order is stopped",
                now,
            ));
        }
        if accepted.is_some() || self.record.is_paid() {
            return Some(self.refuse_answer(
                REQUEST,
                RefusalCode::AlreadyPaid,
                "the order is paid by another transaction",
                now,
            ));
        }
        let Some(order) = &self.record.order else {
            return Some(self.refused(RefusalCode::OrderClosed, "the order was never loaded"));
        };
        let finishes = self.unfinished.as_ref() == Some(&confirmation.transaction_id);
        if self.is_charged(order) && !finishes {
            let detail = "the order's own payment_id is charged";
            return Some(self.refuse_answer(REQUEST, RefusalCode::PaymentNotExpected, detail, now));
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
            self.audit(EventType::PaymentMismatch, payload, now);
            return Some(self.refused(
                RefusalCode::PaymentMismatch,
                &format!("the order's total is {expected}"),
            ));
        }
        let payload =
            json!({"transaction_id": confirmation.transaction_id, "amount": confirmation.amount});
        self.audit(EventType::PaymentAccepted, payload, now);
        self.confirmation = Some(confirmation);
        self.confirmation_verdict = None;
        None
    }

    pub(super) fn accept_delivery(
        &mut self,
        confirmation: DeliveryConfirmation,
        now: DateTime<Utc>,
    ) -> Answer {
        match self.record.status() {
            OrderStatus::Shipped if self.delivery.is_none() && self.record.is_running() => {
                self.delivery = Some(confirmation);
                self.done("Delivery confirmed.", false)
            }
            OrderStatus::Shipped if self.delivery.is_none() => self.refuse_answer(
                "confirm_delivery",
                RefusalCode::OrderClosed,
                "the order ended with its dispatch",
                now,
            ),
            OrderStatus::Shipped | OrderStatus::Delivered => self.done("Delivery confirmed.", true),
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => self
                .refuse_answer(
                    "confirm_delivery",
                    RefusalCode::NotShipped,
                    "the parcel has not left",
                    now,
                ),
            OrderStatus::Cancelled | OrderStatus::Failed => self.refuse_answer(
                "confirm_delivery",
                RefusalCode::OrderClosed,
                "the order is stopped",
                now,
            ),
        }
    }

    /// Writes a refusal into the trail.
    pub(super) fn refuse(&mut self, request: &str, code: &str, now: DateTime<Utc>) {
        let status = self.record.status();
        self.audit(
            EventType::RequestRefused,
            json!({"request": request, "code": code, "status": status}),
            now,
        );
    }

    pub(super) fn refuse_answer(
        &mut self,
        request: &str,
        code: RefusalCode,
        detail: &str,
        now: DateTime<Utc>,
    ) -> Answer {
        // The trail of an order that is over is closed: this request never reached an open order.
        if self.record.is_running() {
            self.refuse(request, code.as_str(), now);
        }
        self.refused(code, detail)
    }

    pub(super) fn refused(&self, code: RefusalCode, detail: &str) -> Answer {
        Answer::Refused {
            code,
            detail: detail.to_owned(),
            status: self.record.status(),
        }
    }

    pub(super) fn malformed_answer(&self, reason: String) -> Answer {
        Answer::Refused {
            code: RefusalCode::Malformed,
            detail: reason,
            status: self.record.status(),
        }
    }

    pub(super) fn done(&self, message: &str, already: bool) -> Answer {
        Answer::Done {
            status: self.record.status(),
            step: self.record.step(),
            message: message.to_owned(),
            already,
            shipping_address: None,
        }
    }

    pub(super) fn undecided(&self, message: &str) -> Answer {
        Answer::Undecided {
            status: self.record.status(),
            message: message.to_owned(),
        }
    }

    pub(super) fn address_answer(&self, already: bool) -> Answer {
        Answer::Done {
            status: self.record.status(),
            step: self.record.step(),
            message: "Shipping address updated.".to_owned(),
            already,
            shipping_address: self
                .record
                .order
                .as_ref()
                .and_then(|order| order.shipping_address.clone()),
        }
    }
}
