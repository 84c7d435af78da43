//! The decision about each request, made from the order's state. A refusal is a decision too, and
//! an audit event.
//!
//! | request | decided in |
//! |---|---|
//! | `cancel_order` | [`OrderWorkflow::decide_cancel`] |
//! | `update_address` | [`OrderWorkflow::decide_address_change`] |
//! | `cancel_payment` | [`OrderWorkflow::decide_payment_cancel`] |
//! | `confirm_payment` | [`OrderWorkflow::decide_payment_confirmation`] |
//! | `approve_order` | [`OrderWorkflow::decide_approval`] |
//! | `reject_order` | [`OrderWorkflow::decide_rejection`] |
//! | `hold_order` | [`OrderWorkflow::decide_hold`] |
//! | `release_order` | [`OrderWorkflow::decide_release`] |
//! | `update_order` | [`OrderWorkflow::decide_notes_change`] |
//! | `confirm_delivery` | [`OrderWorkflow::decide_delivery_confirmation`] |

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::{
    OrderWorkflow, Review,
    payments::{AcceptedPayment, PaymentPhase},
    recall::StopReason,
    request_name,
    transitions::Reasons,
};
use contract::{
    Approval, Cancellation, DeliveryConfirmation, HoldRequest, PaymentCancellation,
    PaymentConfirmation, RefusalCode, Rejection, Release, ReportedPayment, UpdateOutcome,
    address_hash,
};
use domain::{
    Address, AddressChange, AuditEventType, EXTERNAL, Hold, Money, NotesChange, OrderStatus,
    PartialPayments, PaymentEvent, PaymentStatus, ReviewDecision, Step, TransactionId,
};

/// The difference between the clocks of the carrier and of orderflow that is accepted.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

const STOPPING: &str = "the order is being cancelled or has passed its deadline";

/// The decision about a request: its outcome, or the recall whose outcome it waits for.
pub(super) enum Decision {
    Immediate(UpdateOutcome),
    /// `already` is true if an earlier request asked for the same change.
    AfterRecall {
        recall_number: u32,
        already: bool,
    },
}

/// A confirmation of a transaction that the order knows, and that is not a repeat.
#[derive(Debug, Clone, Copy)]
pub(super) enum ChangedRepeat {
    /// The transaction is recorded with this amount.
    OtherAmount(Money),
    /// The order has stopped, and its money is or was refunded.
    Refunded(ReportedPayment),
}

/// The payments that an order accepts beside the money that it waits for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AcceptanceRules {
    /// Whether a part of the missing amount is accepted, whatever the policy is.
    pub(super) takes_part: bool,
    /// Missing money of an order that was paid before ([`OrderWorkflow::replaceable_money`]).
    pub(super) replaceable: i64,
}

/// Adds a name in a request to the payload of its audit event. It is a claim of the caller.
pub(super) fn with_claim(
    mut payload: serde_json::Value,
    name: &str,
    claimed: Option<&str>,
) -> serde_json::Value {
    if let Some(claimed) = claimed {
        payload["claims"] = json!({name: claimed});
    }
    payload
}

fn reasons_of(internal: Option<&str>, public: Option<&str>) -> Reasons {
    Reasons {
        internal: internal.map(str::to_owned),
        public: public.map(str::to_owned),
    }
}

fn approved(approval: &Approval) -> serde_json::Value {
    let mut payload = json!({"note": approval.note});
    if let Some(public) = &approval.public_reason {
        payload["public_reason"] = json!(public);
    }
    with_claim(payload, "reviewer", approval.reviewer.as_deref())
}

fn rejected(rejection: &Rejection) -> serde_json::Value {
    let payload = reasons_of(
        rejection.reason.as_deref(),
        rejection.public_reason.as_deref(),
    )
    .add_to(json!({}));
    with_claim(payload, "reviewer", rejection.reviewer.as_deref())
}

impl OrderWorkflow {
    /// Approves an order that waits for its review.
    pub(super) fn decide_approval(
        &mut self,
        approval: Approval,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        if let Some(hold) = self.find_hold().filter(|_| !self.is_stopped()) {
            self.append_audit_event(AuditEventType::ReviewApproved, approved(&approval), now);
            self.release_hold(hold);
            return self
                .success("Order approved.", false)
                .at_step(Step::Prepare);
        }
        match &self.review {
            Review::Open if !self.is_stopped() => {
                self.append_audit_event(AuditEventType::ReviewApproved, approved(&approval), now);
                self.review = Review::Approved;
                self.state.review = Some(ReviewDecision::Approved);
                self.success("Order approved.", false).at_step(Step::Pay)
            }
            Review::Approved => self.success("Order approved.", true),
            Review::Open | Review::Rejected | Review::Over => self.refuse_request(
                request_name::APPROVE_ORDER,
                RefusalCode::NotInReview,
                "the order is not waiting for a review",
                now,
            ),
        }
    }

    /// Rejects and cancels an order that waits for its review.
    pub(super) fn decide_rejection(
        &mut self,
        rejection: Rejection,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        if self.shipping.is_none() && self.find_hold().is_some() && !self.is_stopped() {
            self.append_audit_event(AuditEventType::ReviewRejected, rejected(&rejection), now);
            self.state.review = Some(ReviewDecision::Rejected);
            let reasons = reasons_of(
                rejection.reason.as_deref(),
                rejection.public_reason.as_deref(),
            );
            self.transition_to_cancelled(reasons, "review", now);
            return self.success("Order rejected.", false);
        }
        match &self.review {
            Review::Open if !self.is_stopped() => {
                self.append_audit_event(AuditEventType::ReviewRejected, rejected(&rejection), now);
                self.review = Review::Rejected;
                self.state.review = Some(ReviewDecision::Rejected);
                let reasons = reasons_of(
                    rejection.reason.as_deref(),
                    rejection.public_reason.as_deref(),
                );
                self.transition_to_cancelled(reasons, "review", now);
                self.success("Order rejected.", false)
            }
            Review::Rejected => self.success("Order rejected.", true),
            Review::Open | Review::Approved | Review::Over => self.refuse_request(
                request_name::REJECT_ORDER,
                RefusalCode::NotInReview,
                "the order is not waiting for a review",
                now,
            ),
        }
    }

    /// Decides a cancel:
    ///
    /// - before shipping, the order is cancelled immediately,
    /// - during shipping, the cancel becomes a recall, which `shipment` decides with the carrier's
    ///   response,
    /// - after dispatch, or when the order has failed, the cancel is refused,
    /// - a cancel of a cancelled order succeeds without an effect.
    pub(super) fn decide_cancel(
        &mut self,
        cancellation: Cancellation,
        now: DateTime<Utc>,
    ) -> Decision {
        match self.state.status() {
            OrderStatus::Cancelled => Decision::Immediate(self.success("Order cancelled.", true)),
            OrderStatus::Failed => Decision::Immediate(self.refuse_request(
                request_name::CANCEL_ORDER,
                RefusalCode::OrderClosed,
                "the order has failed",
                now,
            )),
            _ if self.is_dispatched() => Decision::Immediate(self.refuse_request(
                request_name::CANCEL_ORDER,
                RefusalCode::AlreadyShipped,
                "the parcel was already dispatched",
                now,
            )),
            OrderStatus::Pending
            | OrderStatus::PaymentConfirmed
            | OrderStatus::Preparing
            | OrderStatus::Shipped
            | OrderStatus::Delivered => {
                let reasons = reasons_of(
                    cancellation.reason.as_deref(),
                    cancellation.public_reason.as_deref(),
                );
                let Some(shipping) = &mut self.shipping else {
                    self.transition_to_cancelled(reasons, "request", now);
                    return Decision::Immediate(self.success("Order cancelled.", false));
                };
                let recall = shipping.recall.get_or_insert_default();
                let already = matches!(recall.stop, Some(StopReason::Cancel { .. }));
                if recall.stop.is_none() {
                    recall.stop = Some(StopReason::Cancel {
                        reason: cancellation.reason.clone(),
                        public_reason: cancellation.public_reason.clone(),
                        by: "request".to_owned(),
                    });
                    recall.origins.stop = self.origin.clone();
                }
                let payload = reasons.add_to(json!({}));
                self.append_audit_event(AuditEventType::CancelRequested, payload, now);
                Decision::AfterRecall {
                    recall_number: self.recalls_decided,
                    already,
                }
            }
        }
    }

    /// Changes the address before shipping. During shipping the change becomes a recall.
    pub(super) fn decide_address_change(
        &mut self,
        change: &AddressChange,
        now: DateTime<Utc>,
    ) -> Decision {
        if self.is_stopped() {
            return Decision::Immediate(self.refuse_request(
                request_name::UPDATE_ADDRESS,
                RefusalCode::OrderClosed,
                "the order is cancelled or has failed",
                now,
            ));
        }
        if self.is_dispatched() {
            return Decision::Immediate(self.refuse_request(
                request_name::UPDATE_ADDRESS,
                RefusalCode::AlreadyShipped,
                "the parcel was already dispatched",
                now,
            ));
        }
        // A later change builds on an address change that has no decision yet.
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
            let detail = "the order has no address yet; the new address must contain a street";
            return Decision::Immediate(self.refuse_request(
                request_name::UPDATE_ADDRESS,
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
                        request_name::UPDATE_ADDRESS,
                        RefusalCode::OrderClosed,
                        STOPPING,
                        now,
                    ));
                }
                recall.address = Some(address);
                recall.origins.address = self.origin.clone();
                self.append_audit_event(AuditEventType::AddressRequested, json!({}), now);
                Decision::AfterRecall {
                    recall_number: self.recalls_decided,
                    already: false,
                }
            }
        }
    }

    /// Decides a request to cancel the payment. A paid order is in shipping, so the request becomes
    /// a recall.
    pub(super) fn decide_payment_cancel(
        &mut self,
        cancellation: PaymentCancellation,
        now: DateTime<Utc>,
    ) -> Decision {
        let refunded = self
            .state
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status.is_refunded_or_due());
        let refusal = match self.state.status() {
            _ if refunded => return Decision::Immediate(self.payment_cancel_success(true)),
            OrderStatus::Shipped | OrderStatus::Delivered => (
                RefusalCode::AlreadyShipped,
                "the parcel was already dispatched",
            ),
            OrderStatus::Cancelled | OrderStatus::Failed => (
                RefusalCode::OrderClosed,
                "the order is cancelled or has failed",
            ),
            _ if self.is_free() => (RefusalCode::NotPaid, "the order is free"),
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
                match &mut self.shipping {
                    // A paid order enters shipping in the same workflow task, unless it reserves its
                    // stock again. So an order outside shipping is not paid.
                    None => (RefusalCode::NotPaid, "the order has no payment to refund"),
                    Some(shipping) => {
                        let recall = shipping.recall.get_or_insert_default();
                        if recall.stop.is_none() {
                            let already = std::mem::replace(&mut recall.payment, true);
                            let payload = reasons_of(
                                cancellation.reason.as_deref(),
                                cancellation.public_reason.as_deref(),
                            )
                            .add_to(json!({}));
                            self.append_audit_event(
                                AuditEventType::PaymentCancelRequested,
                                payload,
                                now,
                            );
                            return Decision::AfterRecall {
                                recall_number: self.recalls_decided,
                                already,
                            };
                        }
                        (RefusalCode::OrderClosed, STOPPING)
                    }
                }
            }
        };
        Decision::Immediate(self.refuse_request(
            request_name::CANCEL_PAYMENT,
            refusal.0,
            refusal.1,
            now,
        ))
    }

    /// Holds the order before its payment and its dispatch. During shipping the hold becomes a recall.
    pub(super) fn decide_hold(&mut self, request: HoldRequest, now: DateTime<Utc>) -> Decision {
        let is_stopping = self.is_stop_requested();
        let refusal = if self.is_dispatched() {
            Some((
                RefusalCode::AlreadyShipped,
                "the parcel was already dispatched",
            ))
        } else if self.is_stopped() {
            Some((
                RefusalCode::OrderClosed,
                "the order is cancelled or has failed",
            ))
        } else if is_stopping {
            Some((RefusalCode::OrderClosed, STOPPING))
        } else {
            None
        };
        if let Some((code, detail)) = refusal {
            return Decision::Immediate(self.refuse_request(
                request_name::HOLD_ORDER,
                code,
                detail,
                now,
            ));
        }
        let present = self.state.hold.as_ref();
        let already = present.is_some_and(|hold| {
            hold.reason == request.reason && hold.public_reason == request.public_reason
        });
        let since = present.map_or(now, |hold| hold.since);
        if !already {
            let payload = reasons_of(request.reason.as_deref(), request.public_reason.as_deref())
                .add_to(json!({}));
            self.append_audit_event(AuditEventType::OrderHeld, payload, now);
            self.state.hold = Some(Hold {
                reason: request.reason,
                public_reason: request.public_reason,
                since,
            });
        }
        match &mut self.shipping {
            None => Decision::Immediate(self.success("Order held.", already)),
            Some(shipping) => {
                shipping.recall.get_or_insert_default().hold = true;
                Decision::AfterRecall {
                    recall_number: self.recalls_decided,
                    already,
                }
            }
        }
    }

    /// Lets a held order go on.
    pub(super) fn decide_release(&mut self, request: Release, now: DateTime<Utc>) -> UpdateOutcome {
        let was_held = self.state.hold.take().is_some();
        if was_held {
            let payload = reasons_of(request.reason.as_deref(), request.public_reason.as_deref())
                .add_to(json!({}));
            self.append_audit_event(AuditEventType::OrderReleased, payload, now);
        }
        self.success("Order released.", !was_held)
    }

    /// Changes the shop's notes, whatever the status of the order is.
    pub(super) fn decide_notes_change(
        &mut self,
        change: &NotesChange,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        let Some(order) = &mut self.state.order else {
            let detail = "the order was not validated";
            return self.refuse_request(
                request_name::UPDATE_ORDER,
                RefusalCode::OrderClosed,
                detail,
                now,
            );
        };
        let notes = match order.notes.changed_by(change) {
            Ok(notes) => notes,
            Err(error) => {
                let detail = format!("the metadata {error} after the change");
                return self.refuse_request(
                    request_name::UPDATE_ORDER,
                    RefusalCode::MetadataTooLarge,
                    &detail,
                    now,
                );
            }
        };
        let already = notes == order.notes;
        if !already {
            let payload = order.notes.difference(&notes);
            order.notes = notes.clone();
            self.append_audit_event(AuditEventType::OrderUpdated, payload, now);
        }
        self.notes_success(notes, already)
    }

    pub(super) fn is_refunding(&self) -> bool {
        self.state
            .payment
            .as_ref()
            .is_some_and(|payment| payment.status == PaymentStatus::Refunding)
    }

    pub(super) fn change_address(&mut self, address: Address, now: DateTime<Utc>) {
        let order_id = &self.state.order_id;
        let new = address_hash(order_id, &address);
        let mut old = None;
        if let Some(order) = &mut self.state.order {
            let present = order.shipping_address.as_ref();
            old = present.and_then(|address| address_hash(order_id, address));
            order.shipping_address = Some(address);
        }
        let payload = json!({"old": old, "new": new});
        self.append_audit_event(AuditEventType::AddressUpdated, payload, now);
    }

    /// Decides a payment confirmation. Returns `None` when the payment is accepted and must still
    /// be recorded. `event` is the webhook event that reported it; a caller's confirmation has none
    /// and must be exact.
    pub(super) fn decide_payment_confirmation(
        &mut self,
        confirmation: PaymentConfirmation,
        event: Option<&PaymentEvent>,
        rules: AcceptanceRules,
        now: DateTime<Utc>,
    ) -> Option<UpdateOutcome> {
        let id = &confirmation.transaction_id;
        let known = match event {
            Some(event) => self.payments.find_by_event(event),
            None => self.payments.find(id),
        };
        if self.payments.cancelled.contains(id) {
            let message = "The payment was cancelled. The order needs another one.";
            return Some(self.success(message, true));
        }
        if known.is_some() && !self.payments.accepts(id) {
            return Some(self.success("Payment confirmed.", true));
        }
        if self.payments.accepts(id) {
            return None;
        }
        let refusal = if self.is_stopped() {
            Some((
                RefusalCode::OrderClosed,
                "the order is cancelled or has failed",
            ))
        } else {
            let order = self.state.order.as_ref();
            let is_enough = order.is_some_and(|order| self.missing_money(order) <= 0);
            let is_charged = order.is_some_and(|order| self.is_charged(order));
            let completes_charge = self.payments.unfinished() == Some(id);
            if rules.replaceable > 0 {
                None
            } else if self.is_free() {
                Some((
                    RefusalCode::PaymentNotExpected,
                    "the order is free and takes no payment",
                ))
            } else if is_enough || self.payments.phase == PaymentPhase::Covered {
                Some((
                    RefusalCode::AlreadyPaid,
                    "the order is paid by another transaction",
                ))
            } else if is_charged && !completes_charge {
                Some((
                    RefusalCode::PaymentNotExpected,
                    "the order charges its own payment_id and takes no other payment",
                ))
            } else {
                None
            }
        };
        if let Some((code, detail)) = refusal {
            if self.state.is_running() {
                self.audit_refused_payment(&confirmation, code, None, now);
            }
            let payment = self.payments.reported(id, self.is_stopped());
            return Some(self.payment_refusal(code, detail.to_owned(), payment));
        }
        let Some(order) = &self.state.order else {
            let detail = "the order was not validated".to_owned();
            let payment = self.payments.reported(id, true);
            return Some(self.payment_refusal(RefusalCode::OrderClosed, detail, payment));
        };
        let missing = match rules.replaceable {
            0 => self.missing_money(order),
            replaceable => replaceable,
        };
        let expected = Money::from_minor(missing, order.currency).unwrap_or(order.total);
        let same_currency = confirmation
            .currency
            .as_deref()
            .is_none_or(|code| code == order.currency.code());
        let amount = Money::from_decimal(confirmation.amount, order.currency)
            .ok()
            .filter(|_| same_currency);
        let accepted = amount.filter(|amount| match event {
            None => *amount == expected,
            Some(_) if amount.minor() < missing => {
                rules.takes_part || self.policy.partial_payments == PartialPayments::Collect
            }
            Some(_) => true,
        });
        let Some(amount) = accepted else {
            let detail = if expected == order.total {
                format!("the order's total is {expected}")
            } else {
                let total = order.total;
                format!("{expected} of the order's total of {total} is missing")
            };
            return Some(self.refuse_mismatch(&confirmation, &detail, now));
        };
        let payload =
            json!({"transaction_id": confirmation.transaction_id, "amount": confirmation.amount});
        self.append_audit_event(AuditEventType::PaymentAccepted, payload, now);
        self.payments.accepted.push_back(AcceptedPayment {
            confirmation,
            amount: amount.minor(),
            event: event.cloned().map(Box::new),
            origin: self.origin.clone(),
        });
        None
    }

    /// Refuses a confirmation of an order that waits for money.
    pub(super) fn refuse_mismatch(
        &mut self,
        confirmation: &PaymentConfirmation,
        detail: &str,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        let expected = self.state.order.as_ref().map(|order| {
            let missing = Money::from_minor(self.missing_money(order), order.currency);
            missing.unwrap_or(order.total)
        });
        let payload = json!({
            "transaction_id": confirmation.transaction_id,
            "amount": confirmation.amount,
            "currency": confirmation.currency,
            "expected": expected.map(Money::decimal),
            "expected_currency": expected.map(|expected| expected.currency()),
        });
        self.append_audit_event(AuditEventType::PaymentMismatch, payload, now);
        let payment = self
            .payments
            .reported(&confirmation.transaction_id, self.is_stopped());
        self.payment_refusal(RefusalCode::PaymentMismatch, detail.to_owned(), payment)
    }

    /// Returns the reason why a caller's confirmation of a known transaction is not a repeat: it has
    /// another amount, or the money is not that of the order any more.
    pub(super) fn find_changed_repeat(
        &self,
        confirmation: &PaymentConfirmation,
    ) -> Option<ChangedRepeat> {
        let id = &confirmation.transaction_id;
        let order = self.state.order.as_ref()?;
        let recorded = match (self.payments.find(id), self.payments.find_accepted(id)) {
            (Some(transaction), _) if !confirmation.repeats(transaction) => {
                let balance = &transaction.balance;
                let minor = [balance.captured, balance.authorised, transaction.amount]
                    .into_iter()
                    .find(|minor| *minor > 0);
                Money::from_minor(minor?, transaction.currency).ok()?
            }
            (Some(_), _) | (None, None) => {
                let payment = self.payments.reported(id, self.is_stopped());
                let is_refunded = self.is_stopped() && payment != ReportedPayment::NotTaken;
                return is_refunded.then_some(ChangedRepeat::Refunded(payment));
            }
            (None, Some(accepted)) => {
                let known = Money::from_minor(accepted.amount, order.currency).ok()?;
                let code = confirmation.currency.as_deref();
                let is_same = code.is_none_or(|code| code == order.currency.code())
                    && Money::from_decimal(confirmation.amount, order.currency) == Ok(known);
                if is_same {
                    return None;
                }
                known
            }
        };
        Some(ChangedRepeat::OtherAmount(recorded))
    }

    /// Refuses a caller's confirmation of a known transaction.
    pub(super) fn refuse_changed_repeat(
        &mut self,
        confirmation: &PaymentConfirmation,
        repeat: ChangedRepeat,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        let id = &confirmation.transaction_id;
        let (code, detail, recorded) = match repeat {
            ChangedRepeat::OtherAmount(recorded) => {
                let detail = format!("{id} is recorded with {recorded}");
                (RefusalCode::TransactionMismatch, detail, Some(recorded))
            }
            ChangedRepeat::Refunded(_) => {
                let detail = "the order has stopped; it has the payment and refunds it";
                (RefusalCode::PaymentRefunded, detail.to_owned(), None)
            }
        };
        let payment = match repeat {
            ChangedRepeat::Refunded(payment) => payment,
            ChangedRepeat::OtherAmount(_) => self.payments.reported(id, self.is_stopped()),
        };
        if self.state.is_running() {
            self.audit_refused_payment(confirmation, code, recorded, now);
        }
        self.payment_refusal(code, detail, payment)
    }

    /// Returns the reason why a recorded transaction does not pay the order, although a caller
    /// confirms it. The order waits for money.
    pub(super) fn find_contradiction(&self, id: &TransactionId) -> Option<String> {
        let order = self.state.order.as_ref()?;
        self.payments.awaited()?;
        // A repeated confirmation of a payment that a request has cancelled is not a new one.
        let is_cancelled = self.payments.cancelled.contains(id);
        if self.is_stopped() || self.is_covered() || self.payments.accepts(id) || is_cancelled {
            return None;
        }
        let transaction = self.payments.find(id)?;
        let provider = match transaction.provider.as_str() {
            EXTERNAL => "the provider",
            provider => provider,
        };
        let money = |minor| Money::from_minor(minor, transaction.currency).ok();
        let balance = &transaction.balance;
        let missing = Money::from_minor(self.missing_money(order), order.currency).ok()?;
        Some(if balance.captured > 0 && balance.available() == 0 {
            format!("{id} is refunded or was taken back; confirm another transaction")
        } else if balance.captured > 0 {
            let available = money(balance.available())?;
            format!(
                "{available} of {id} pays the order and {missing} is missing; capture the rest at {provider}, \
                 whose event pays the order, or confirm another transaction"
            )
        } else if balance.ended {
            format!(
                "the authorisation of {id} has ended and {provider} captured nothing; ask the customer for another payment"
            )
        } else {
            format!(
                "{id} is authorised and not captured; capture it at {provider}, whose event pays the order"
            )
        })
    }

    /// Returns the reason why the parcel cannot have been delivered at the confirmed time. Orders of
    /// earlier releases accept every time.
    fn find_impossible_delivery(
        &self,
        confirmation: &DeliveryConfirmation,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let delivered_at = confirmation.delivered_at?;
        let shipped_at = self.state.shipment.as_ref()?.shipped_at?;
        let earliest = shipped_at - CLOCK_TOLERANCE;
        let is_possible = (earliest..=now + CLOCK_TOLERANCE).contains(&delivered_at);
        (self.receipt >= 7 && !is_possible).then(|| {
            let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!(
                "the delivery must be between the dispatch at {} and now, {}",
                text(shipped_at),
                text(now)
            )
        })
    }

    /// Accepts the confirmation of a delivery for a dispatched order.
    pub(super) fn decide_delivery_confirmation(
        &mut self,
        confirmation: DeliveryConfirmation,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        let is_awaited = self.state.status() == OrderStatus::Shipped
            && self.delivery.is_none()
            && self.state.is_running();
        if let Some(detail) = self
            .find_impossible_delivery(&confirmation, now)
            .filter(|_| is_awaited)
        {
            return self.refuse_request(
                request_name::CONFIRM_DELIVERY,
                RefusalCode::DeliveryTimeInvalid,
                &detail,
                now,
            );
        }
        match self.state.status() {
            OrderStatus::Shipped if is_awaited => {
                self.delivery_origin = self.origin.clone();
                self.delivery = Some(confirmation);
                self.success("Delivery confirmed.", false)
            }
            OrderStatus::Shipped if self.delivery.is_none() => self.refuse_request(
                request_name::CONFIRM_DELIVERY,
                RefusalCode::OrderClosed,
                "the order ended at dispatch and takes no delivery confirmation",
                now,
            ),
            OrderStatus::Shipped | OrderStatus::Delivered => {
                self.success("Delivery confirmed.", true)
            }
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => self
                .refuse_request(
                    request_name::CONFIRM_DELIVERY,
                    RefusalCode::NotShipped,
                    "the parcel is not dispatched yet",
                    now,
                ),
            OrderStatus::Cancelled | OrderStatus::Failed => self.refuse_request(
                request_name::CONFIRM_DELIVERY,
                RefusalCode::OrderClosed,
                "the order is cancelled or has failed",
                now,
            ),
        }
    }
}
