//! The record of a payment that the order has accepted: in the ledger, and in the audit log.

use chrono::{DateTime, Utc};
use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{
    Compensation, OrderStopped, OrderWorkflow, Progress, current_time, payment_events,
    payments::{AcceptedPayment, ConfirmationOutcome, PaymentPhase},
    persistence, waiting,
};
use crate::{
    activity::{OrderActivities, RecordPaymentInput, RecordPaymentOutcome},
    patches,
};
use contract::{PaymentConfirmation, RefusalCode, ReportedPayment};
use domain::{
    AuditEventType, Decimal, EXTERNAL, FailureCode, Money, Order, OrderStatus, PaymentId,
    PaymentInfo, PaymentStatus, Step, Transaction, TransactionId, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

pub(super) fn add_refund_compensation(order: &mut OrderWorkflow) {
    // A charge that waited for its customer has added its compensation already.
    if !order.compensations.contains(&Compensation::RefundPayment) {
        order.compensations.push(Compensation::RefundPayment);
    }
}

/// Returns [`OrderWorkflow::replaceable_money`]; zero in an order that began before this rule.
pub(super) fn replaceable_money(ctx: &Context) -> i64 {
    let replaceable = ctx.state(OrderWorkflow::replaceable_money);
    if replaceable > 0 && ctx.patched(patches::REPLACE_MISSING_MONEY) {
        replaceable
    } else {
        0
    }
}

/// Records the payments that replace missing money. The order has left the payment step, which
/// records all other payments.
pub(super) async fn record_replacements(ctx: &Context) {
    if ctx.state(|order| order.payments.phase == PaymentPhase::Covered) {
        record_accepted_payments(ctx).await;
    }
}

/// Records the payments that an order has accepted, one at a time.
pub(super) async fn record_accepted_payments(ctx: &Context) {
    let is_free = |order: &OrderWorkflow| !order.payments.is_recording;
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(is_free, waiting::detached_wait())
        .await;
    ctx.state_mut(|order| order.payments.is_recording = true);
    record_each_payment(ctx).await;
    ctx.state_mut(|order| order.payments.is_recording = false);
}

async fn record_each_payment(ctx: &Context) {
    loop {
        let next = ctx.state(|order| {
            let accepted = order.payments.accepted.front().cloned();
            order.state.order.clone().zip(accepted)
        });
        let Some((valid, accepted)) = next else {
            return;
        };
        // A stopped order only adds the compensation, if the payment is valid.
        let _ = record_payment(ctx, &valid, accepted).await;
    }
}

/// Records an accepted payment. The order fails if its own payment id is used for another order.
pub(super) async fn record_payment(
    ctx: &Context,
    valid: &Order,
    accepted: AcceptedPayment,
) -> Progress {
    let AcceptedPayment {
        confirmation,
        event,
        amount,
        origin,
    } = accepted;
    // The order's own payment id names one payment. Each later payment has another id.
    let own = ctx.state(
        |order| match (order.payments.unfinished(), &order.state.payment) {
            (Some(_), Some(unfinished)) => Some(unfinished.payment_id.clone()),
            _ => valid.payment_id.clone().filter(|_| {
                order.payments.cancelled.is_empty() && order.payments.transactions().is_empty()
            }),
        },
    );
    let is_own = own.is_some();
    let payment_id = match own {
        Some(payment_id) => payment_id,
        None => {
            let provider = confirmation
                .provider
                .map_or(EXTERNAL, WebhookProvider::as_str);
            PaymentId::of_transaction(provider, &confirmation.transaction_id)
        }
    };
    let started = current_time(ctx);
    let before = ctx.state(|order| (order.state.payment.clone(), order.compensations.clone()));
    ctx.state_mut(|order| {
        add_refund_compensation(order);
        if order.payments.transactions().is_empty() {
            order.state.payment = Some(PaymentInfo::pending(
                payment_id.clone(),
                Some(confirmation.transaction_id.clone()),
                valid.total,
                confirmation.payment_method.clone(),
                started,
            ));
        }
    });
    let recorded = persistence::run_durable(ctx, OrderActivities::record_payment, |write| {
        RecordPaymentInput {
            write,
            payment_id: payment_id.clone(),
            amount: Money::from_minor(amount, valid.currency).unwrap_or(valid.total),
            confirmation: confirmation.clone(),
            event: event.clone(),
        }
    });
    let (outcome, transaction) = recorded.await.into_parts();
    let reporter = confirmation.provider.or_else(|| {
        let provider = transaction.as_ref().map(|taken| taken.provider.as_str());
        WebhookProvider::parse(provider?)
    });
    let is_lost = outcome == RecordPaymentOutcome::AlreadyRefunded
        && (confirmation.provider.is_some() || ctx.patched(patches::CANCEL_LOST_CONFIRMATION));
    let now = current_time(ctx);
    let transaction_id = confirmation.transaction_id.clone();
    ctx.state_mut(|order| {
        order
            .payments
            .accepted
            .retain(|accepted| accepted.confirmation.transaction_id != transaction_id);
        match outcome {
            RecordPaymentOutcome::Recorded | RecordPaymentOutcome::AlreadyRefunded => {
                match transaction {
                    Some(transaction) => order.note_transaction(transaction, now),
                    None => order.note_status(PaymentStatus::Captured, now),
                }
                if let Some(awaited) = order.payments.awaited_mut() {
                    awaited.unfinished = None;
                }
                let (kind, payload) = order.receipt_entry(&transaction_id, &confirmation, valid);
                order.caused_by(origin, |order| order.append_audit_event(kind, payload, now));
                let by_api = confirmation.provider.is_none();
                if is_lost && !(by_api && order.is_stopped()) {
                    let cancellation = payment_events::cancellation_for_lost_payment(reporter);
                    let reason = cancellation.reason.clone().unwrap_or_default();
                    order.decide_cancel(cancellation, now);
                    if by_api {
                        let detail = format!("the order is cancelled, because {reason}");
                        let payment = order.payments.reported(&transaction_id, true);
                        let refusal = (RefusalCode::PaymentRefunded, payment);
                        order.refuse_confirmation(transaction_id, refusal, detail);
                        return Ok(());
                    }
                }
                order
                    .payments
                    .outcomes
                    .insert(transaction_id, ConfirmationOutcome::Recorded);
                Ok(())
            }
            RecordPaymentOutcome::PaymentInUse if is_own => {
                (order.state.payment, order.compensations) = before;
                let refusal = refusal_of(transaction.as_ref());
                if let Some(transaction) = transaction {
                    // The money is due: it belongs to no order.
                    order.note_transaction(transaction, now);
                }
                let detail = format!("{payment_id} is used for another order");
                order.append_audit_event(
                    AuditEventType::PaymentDeclined,
                    json!({
                        "code": FailureCode::PaymentIdInUse,
                        "reason": detail,
                        "transaction_id": transaction_id,
                        "amount": confirmation.amount,
                    }),
                    now,
                );
                order.transition_to_failed(FailureCode::PaymentIdInUse, detail.clone(), now);
                order.refuse_confirmation(transaction_id, refusal, detail);
                Err(OrderStopped)
            }
            // A payment id derived from the transaction collides exactly when the transaction is in
            // use.
            RecordPaymentOutcome::PaymentInUse | RecordPaymentOutcome::TransactionInUse => {
                (order.state.payment, order.compensations) = before;
                let refusal = refusal_of(transaction.as_ref());
                order.audit_refused_payment(&confirmation, refusal.0, None, now);
                let detail = match transaction {
                    Some(_) => format!(
                        "{transaction_id} was not accepted as a payment, and its money is refunded or must be; \
                         see `orderflow money list`"
                    ),
                    None => format!("{transaction_id} is used for another order"),
                };
                order.refuse_confirmation(transaction_id, refusal, detail);
                Ok(())
            }
        }
    })
}

/// Returns the refusal of a transaction that the order cannot take. `unneeded` is the transaction if
/// it is not of another order: its money is refunded.
fn refusal_of(unneeded: Option<&Transaction>) -> (RefusalCode, ReportedPayment) {
    match unneeded {
        Some(transaction) => (
            RefusalCode::PaymentRefunded,
            ReportedPayment::of(transaction, true),
        ),
        None => (RefusalCode::PaymentIdInUse, ReportedPayment::Taken),
    }
}

impl OrderWorkflow {
    /// Returns whether the order charges its own payment id. After a cancelled payment, the next
    /// payment arrives by confirmation.
    pub(super) fn is_charged(&self, valid: &Order) -> bool {
        self.policy.charges_payment(valid) && self.payments.cancelled.is_empty()
    }

    fn refuse_confirmation(
        &mut self,
        transaction_id: TransactionId,
        (code, payment): (RefusalCode, ReportedPayment),
        detail: String,
    ) {
        let refusal = self.payment_refusal(code, detail, payment);
        self.payments
            .outcomes
            .insert(transaction_id, ConfirmationOutcome::Refused(refusal));
    }

    /// Returns the audit event of a recorded payment: of all money, or of a part.
    fn receipt_entry(
        &self,
        transaction_id: &TransactionId,
        confirmation: &PaymentConfirmation,
        valid: &Order,
    ) -> (AuditEventType, serde_json::Value) {
        if self.is_covered() {
            let payload = self.payment_payload(transaction_id);
            return (AuditEventType::PaymentConfirmed, payload);
        }
        self.part_entry(transaction_id, confirmation.amount, valid)
    }

    /// Returns the audit event of money below the total.
    pub(super) fn part_entry(
        &self,
        transaction_id: &TransactionId,
        amount: Decimal,
        valid: &Order,
    ) -> (AuditEventType, serde_json::Value) {
        let missing = Decimal::new(self.missing_money(valid), valid.currency.exponent());
        let payload = json!({
            "transaction_id": transaction_id,
            "amount": amount,
            "missing": missing,
        });
        (AuditEventType::PaymentPartReceived, payload)
    }

    /// Returns the payment for an audit event about one of its transactions.
    fn payment_payload(&self, transaction_id: &TransactionId) -> serde_json::Value {
        let mut payload = json!(self.state.payment);
        if let Some(transaction) = self.payments.find(transaction_id) {
            payload["transaction_id"] = json!(transaction_id);
            payload["payment_id"] = json!(transaction.payment_id);
        }
        payload
    }

    /// Marks the payment for refund and moves the order back to the payment step.
    pub(super) fn apply_payment_cancel(&mut self, now: DateTime<Utc>) -> Progress {
        self.advance_to(OrderStatus::Pending, Step::Pay)?;
        self.payments.accepted.clear();
        self.payments.outcomes.clear();
        self.payments.phase = PaymentPhase::NotStarted;
        self.payments.cancel_all();
        if let Some(payment) = &mut self.state.payment {
            payment.status = PaymentStatus::Refunding;
        }
        let payment = self.state.payment.clone();
        self.append_audit_event(AuditEventType::PaymentCancelled, json!(payment), now);
        Ok(())
    }
}
