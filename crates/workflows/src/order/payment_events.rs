//! What payment providers tell of an order's payment, by their signed notifications.
//!
//! A payment that the order waits for is a confirmation like any other. One that it cannot use is left to a settlement,
//! which gives it back.

use chrono::{DateTime, Utc};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, SignalWorkflowOptions, WorkflowCancellationToken,
    WorkflowContext,
};

use super::{ConfirmationOutcome, OrderWorkflow, current_time, persistence, requests, waiting};
use crate::{
    Message, PaymentEventSignal, SettlementWorkflow, UnmatchedPaymentSignal,
    activity::{ReceivePaymentEventInput, RecordPaymentEventInput, SettlementSteps},
    policies,
};
use contract::{Cancellation, PaymentConfirmation, UpdateOutcome, settlement_workflow_id};
use domain::{
    AuditEventType, Money, PaymentEvent, PaymentEventKind, PaymentInfo, PaymentStatus,
    WebhookOutcome, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// What an event means for the order.
enum Judgement {
    Done(WebhookOutcome),
    /// It is a payment that the order takes; whether it holds is known when it is recorded.
    Accepted,
    /// The order has no use for it.
    Stray,
}

/// Takes an event once, however often it is sent.
pub(super) async fn handle_payment_event(ctx: &Context, message: Message<PaymentEventSignal>) {
    let mut event = match message {
        Message::Valid(notice) => notice.event,
        Message::Malformed(reason) => {
            requests::refuse_malformed(ctx, "payment_event", reason);
            return;
        }
    };
    // It may have found us by its transaction.
    event.order_id = Some(ctx.state(|order| order.state.order_id.clone()));
    if !ctx.state_mut(|order| {
        order
            .seen_event_ids
            .insert((event.provider, event.event_id.clone()))
    }) {
        return;
    }
    requests::wait_until_loaded(ctx).await;
    let now = current_time(ctx);
    let outcome = match ctx.state_mut(|order| order.judge(&event, now)) {
        Judgement::Done(outcome) => outcome,
        Judgement::Accepted => {
            // Recorded when its turn comes; until then operators see that it is there.
            if !ctx.state(|order| order.payment_awaited) {
                let delivery = ReceivePaymentEventInput {
                    event: event.clone(),
                    again: false,
                };
                persistence::run_readonly(ctx, SettlementSteps::receive_delivery, delivery).await;
            }
            recorded(ctx).await
        }
        Judgement::Stray => {
            leave(ctx, event).await;
            return;
        }
    };
    let delivered = RecordPaymentEventInput {
        event: event.clone(),
        outcome,
        detail: None,
    };
    let standing =
        persistence::run_readonly(ctx, SettlementSteps::record_delivery, delivered).await;
    // Now that the payment's row says that it went back, nobody gives it back once more.
    if let Some(standing) = standing {
        ctx.state_mut(|order| order.apply_provider_status(&event, standing, current_time(ctx)));
    }
}

/// Waits until the accepted payment is recorded. An order that was stopped records it too, and gives it back.
async fn recorded(ctx: &Context) -> WebhookOutcome {
    let known = |order: &OrderWorkflow| order.confirmation_outcome.is_some() || order.is_stopped();
    // Detached from cancellation, this wait has no way to fail.
    let _ = ctx
        .wait_condition_with_options(known, waiting::detached_wait())
        .await;
    ctx.state(|order| match &order.confirmation_outcome {
        // The transaction pays another order: that one has the money.
        Some(ConfirmationOutcome::Refused(_)) => WebhookOutcome::Refused,
        Some(ConfirmationOutcome::Recorded) | None => WebhookOutcome::Applied,
    })
}

/// Leaves it to a settlement, which outlives the order.
async fn leave(ctx: &Context, event: PaymentEvent) {
    let workflow_id = settlement_workflow_id(&event);
    let notice = PaymentEventSignal {
        event,
        declined: true,
        again: false,
        grace: None,
    };
    let mut number = 0;
    loop {
        number += 1;
        let options = ChildWorkflowOptions::builder()
            .workflow_id(workflow_id.clone())
            .parent_close_policy(ParentClosePolicy::Abandon)
            .cancellation_token(WorkflowCancellationToken::new())
            .build();
        if ctx
            .start_child_workflow(SettlementWorkflow::run, Some(notice.clone()), options)
            .await
            .is_ok()
        {
            return;
        }
        // There is one already, which has sent us the event, or is busy with another one of the same transaction.
        let options = SignalWorkflowOptions::builder()
            .cancellation_token(WorkflowCancellationToken::new())
            .build();
        let settlement = ctx.external_workflow(workflow_id.clone(), None);
        let message = Message::Valid(notice.clone());
        match settlement
            .signal(SettlementWorkflow::payment_event, message, options)
            .await
        {
            Ok(()) => return,
            // It ended in between: now another one can start.
            Err(_) if number < policies::MAX_CALLS => {}
            Err(error) => persistence::park_for_fix(ctx, error).await,
        }
    }
}

/// Why an order is cancelled whose money went back at its provider, or never came.
pub(super) fn cancellation_for_lost_payment(provider: WebhookProvider) -> Cancellation {
    Cancellation {
        reason: Some(format!("the payment did not last, {provider} says")),
    }
}

impl OrderWorkflow {
    fn judge(&mut self, event: &PaymentEvent, now: DateTime<Utc>) -> Judgement {
        // Its last entry is being written: what comes now comes after its end.
        if !self.state.is_running() {
            return Judgement::Stray;
        }
        match &event.kind {
            PaymentEventKind::Paid {
                amount,
                payment_method,
            } => {
                return self.judge_payment(event, *amount, payment_method.clone(), now);
            }
            PaymentEventKind::Failed { reason } => {
                let another = self.unfinished_transaction.is_some()
                    && self.unfinished_transaction != event.transaction_id;
                if self.payment_awaited && self.confirmation.is_none() && !another {
                    self.payment_failed = Some(reason.clone());
                    return Judgement::Done(WebhookOutcome::Applied);
                }
            }
            // The provider's word on a refund of our own.
            PaymentEventKind::Refunded { .. }
                if self
                    .own(event)
                    .is_some_and(|own| own.status.is_refunded_or_due()) =>
            {
                return Judgement::Done(WebhookOutcome::Known);
            }
            PaymentEventKind::Disputed { stage } => {
                if let Some(own) = self.own(event) {
                    own.dispute = Some(*stage);
                }
            }
            PaymentEventKind::AttemptFailed { .. }
            | PaymentEventKind::Processing
            | PaymentEventKind::Refunded { .. }
            | PaymentEventKind::RefundFailed { .. }
            | PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. } => {}
        }
        if let Some((kind, payload)) = event.audit_entry() {
            self.append_audit_event(kind, payload, now);
        }
        Judgement::Done(WebhookOutcome::Recorded)
    }

    fn judge_payment(
        &mut self,
        event: &PaymentEvent,
        amount: Money,
        payment_method: Option<String>,
        now: DateTime<Utc>,
    ) -> Judgement {
        let Some(transaction_id) = event.transaction_id.clone() else {
            return Judgement::Done(WebhookOutcome::Unreadable);
        };
        // The provider's word on a charge of our own is no second payment, unless that is what the charge waits for.
        if self.unfinished_transaction.as_ref() != Some(&transaction_id)
            && self.own(event).is_some()
        {
            return Judgement::Done(WebhookOutcome::Known);
        }
        let confirmation = PaymentConfirmation {
            transaction_id,
            amount: amount.decimal(),
            currency: Some(amount.currency().to_string()),
            payment_method,
            provider: Some(event.provider),
        };
        match self.decide_payment_confirmation(confirmation, now) {
            None => Judgement::Accepted,
            Some(UpdateOutcome::Done { .. }) => Judgement::Done(WebhookOutcome::Known),
            Some(UpdateOutcome::Refused { .. } | UpdateOutcome::Undecided { .. }) => {
                Judgement::Stray
            }
        }
    }

    /// The order's payment, if the event is about that one.
    fn own(&mut self, event: &PaymentEvent) -> Option<&mut PaymentInfo> {
        self.state.payment.as_mut().filter(|payment| {
            event.payment_id.as_ref() == Some(&payment.payment_id)
                || event.transaction_id.is_some() && event.transaction_id == payment.transaction_id
        })
    }

    /// What the provider did with the order's own payment: an order that is not paid any more does not leave.
    fn apply_provider_status(
        &mut self,
        event: &PaymentEvent,
        standing: PaymentStatus,
        now: DateTime<Utc>,
    ) {
        let paid = self.state.is_paid();
        let dispatched = self.state.status().is_dispatched();
        let Some(own) = self.own(event) else { return };
        match standing {
            PaymentStatus::Refunded | PaymentStatus::Declined if paid && !dispatched => {
                // What it answers is for people; the trail tells.
                self.decide_cancel(cancellation_for_lost_payment(event.provider), now);
            }
            PaymentStatus::Refunded | PaymentStatus::RefundDue => own.status = standing,
            // A refund that did not arrive, of an order that has.
            PaymentStatus::Captured if own.status == PaymentStatus::Refunded => {
                own.status = standing
            }
            PaymentStatus::Pending
            | PaymentStatus::Captured
            | PaymentStatus::Declined
            | PaymentStatus::Refunding => {}
        }
    }

    /// What a settlement did with money that this order had no use for.
    pub(super) fn record_settled_payment(
        &mut self,
        told: &UnmatchedPaymentSignal,
        now: DateTime<Utc>,
    ) {
        let transaction = (told.event.provider, told.event.transaction_id.clone());
        // However many events told of it, it went back once.
        if self.settled_payments.insert(transaction) && self.state.is_running() {
            let kind = if told.refunded {
                AuditEventType::UnmatchedPaymentRefunded
            } else {
                AuditEventType::UnmatchedPaymentRefundDue
            };
            self.append_audit_event(kind, told.event.audit_source(), now);
        }
    }
}
