//! Payment events: the reports of payment providers about an order's payment.
//!
//! A payment that the order waits for is handled like any other confirmation. A payment that the
//! order cannot use goes to a settlement, which refunds it.

use chrono::{DateTime, Utc};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, SignalWorkflowOptions, WorkflowCancellationToken,
    WorkflowContext,
};

use super::{
    ConfirmationOutcome, OrderWorkflow, current_time, persistence, request_name, requests, waiting,
};
use crate::{
    Message, PaymentEventSignal, SettlementWorkflow, UnmatchedPaymentSignal,
    activity::{ReceivePaymentEventInput, RecordPaymentEventInput, SettlementActivities},
    policies,
};
use contract::{Cancellation, PaymentConfirmation, UpdateOutcome, settlement_workflow_id};
use domain::{
    AuditEventType, Money, PaymentEvent, PaymentEventKind, PaymentInfo, PaymentStatus,
    WebhookOutcome, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// The decision about a payment event.
enum EventDecision {
    Done(WebhookOutcome),
    /// The order accepts the payment. Recording it may still fail.
    Accepted,
    /// The order cannot use the payment.
    Unmatched,
}

/// Processes an event once, even when it is sent repeatedly.
pub(super) async fn handle_payment_event(ctx: &Context, message: Message<PaymentEventSignal>) {
    let mut event = match message {
        Message::Valid(signal) => signal.event,
        Message::Malformed(reason) => {
            requests::refuse_malformed(ctx, request_name::PAYMENT_EVENT, reason);
            return;
        }
    };
    // The sender may have found the order by the transaction only.
    event.order_id = Some(ctx.state(|order| order.state.order_id.clone()));
    if !ctx.state_mut(|order| {
        order
            .seen_event_ids
            .insert((event.provider, event.event_id.clone()))
    }) {
        return;
    }
    requests::wait_until_validated(ctx).await;
    let now = current_time(ctx);
    let outcome = match ctx.state_mut(|order| order.decide_payment_event(&event, now)) {
        EventDecision::Done(outcome) => outcome,
        EventDecision::Accepted => {
            // The payment is recorded at the payment step. Until then operators see the received
            // event.
            if !ctx.state(|order| order.payment_awaited) {
                let received = ReceivePaymentEventInput {
                    event: event.clone(),
                    again: false,
                };
                persistence::run_readonly(ctx, SettlementActivities::receive_delivery, received)
                    .await;
            }
            wait_until_recorded(ctx).await
        }
        EventDecision::Unmatched => {
            hand_to_settlement(ctx, event).await;
            return;
        }
    };
    let processed = RecordPaymentEventInput {
        event: event.clone(),
        outcome,
        detail: None,
    };
    let status =
        persistence::run_readonly(ctx, SettlementActivities::record_delivery, processed).await;
    // The payment's row now contains the refund, so no compensation refunds the payment again.
    if let Some(status) = status {
        ctx.state_mut(|order| order.apply_provider_status(&event, status, current_time(ctx)));
    }
}

/// Waits until the accepted payment is recorded. A stopped order also records and refunds it.
async fn wait_until_recorded(ctx: &Context) -> WebhookOutcome {
    let known = |order: &OrderWorkflow| order.confirmation_outcome.is_some() || order.is_stopped();
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(known, waiting::detached_wait())
        .await;
    ctx.state(|order| match &order.confirmation_outcome {
        // The transaction is used for another order, which has the money.
        Some(ConfirmationOutcome::Refused(_)) => WebhookOutcome::Refused,
        Some(ConfirmationOutcome::Recorded) | None => WebhookOutcome::Applied,
    })
}

/// Passes the event on to a settlement, which outlives the order.
async fn hand_to_settlement(ctx: &Context, event: PaymentEvent) {
    let workflow_id = settlement_workflow_id(&event);
    let signal = PaymentEventSignal {
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
            .start_child_workflow(SettlementWorkflow::run, Some(signal.clone()), options)
            .await
            .is_ok()
        {
            return;
        }
        // A settlement of this transaction runs already. It sent this event, or processes another
        // one.
        let options = SignalWorkflowOptions::builder()
            .cancellation_token(WorkflowCancellationToken::new())
            .build();
        let settlement = ctx.external_workflow(workflow_id.clone(), None);
        let message = Message::Valid(signal.clone());
        match settlement
            .signal(SettlementWorkflow::payment_event, message, options)
            .await
        {
            Ok(()) => return,
            // The settlement ended in between, so the next start can succeed.
            Err(_) if number < policies::MAX_CALLS => {}
            Err(error) => persistence::park_for_fix(ctx, error).await,
        }
    }
}

/// Returns the cancellation of an order whose payment was refunded or declined at the provider.
pub(super) fn cancellation_for_lost_payment(provider: WebhookProvider) -> Cancellation {
    Cancellation {
        reason: Some(format!(
            "{provider} reported that the payment was refunded or declined"
        )),
    }
}

impl OrderWorkflow {
    fn decide_payment_event(&mut self, event: &PaymentEvent, now: DateTime<Utc>) -> EventDecision {
        // The order's last audit event is being written. This event arrives after the order's end.
        if !self.state.is_running() {
            return EventDecision::Unmatched;
        }
        match &event.kind {
            PaymentEventKind::Paid {
                amount,
                payment_method,
            } => {
                return self.decide_reported_payment(event, *amount, payment_method.clone(), now);
            }
            PaymentEventKind::Failed { reason } => {
                let another = self.unfinished_transaction.is_some()
                    && self.unfinished_transaction != event.transaction_id;
                if self.payment_awaited && self.confirmation.is_none() && !another {
                    self.payment_failed = Some(reason.clone());
                    return EventDecision::Done(WebhookOutcome::Applied);
                }
            }
            // The provider reports our own refund.
            PaymentEventKind::Refunded { .. }
                if self
                    .own_payment(event)
                    .is_some_and(|own| own.status.is_refunded_or_due()) =>
            {
                return EventDecision::Done(WebhookOutcome::Known);
            }
            PaymentEventKind::Disputed { stage } => {
                if let Some(own) = self.own_payment(event) {
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
        EventDecision::Done(WebhookOutcome::Recorded)
    }

    fn decide_reported_payment(
        &mut self,
        event: &PaymentEvent,
        amount: Money,
        payment_method: Option<String>,
        now: DateTime<Utc>,
    ) -> EventDecision {
        let Some(transaction_id) = event.transaction_id.clone() else {
            return EventDecision::Done(WebhookOutcome::Unreadable);
        };
        // A report about our own charge is not a second payment, except when the charge waits for
        // it.
        if self.unfinished_transaction.as_ref() != Some(&transaction_id)
            && self.own_payment(event).is_some()
        {
            return EventDecision::Done(WebhookOutcome::Known);
        }
        let confirmation = PaymentConfirmation {
            transaction_id,
            amount: amount.decimal(),
            currency: Some(amount.currency().to_string()),
            payment_method,
            provider: Some(event.provider),
        };
        match self.decide_payment_confirmation(confirmation, now) {
            None => EventDecision::Accepted,
            Some(UpdateOutcome::Done { .. }) => EventDecision::Done(WebhookOutcome::Known),
            Some(UpdateOutcome::Refused { .. } | UpdateOutcome::Undecided { .. }) => {
                EventDecision::Unmatched
            }
        }
    }

    /// Returns the order's payment if the event is about this payment.
    fn own_payment(&mut self, event: &PaymentEvent) -> Option<&mut PaymentInfo> {
        self.state.payment.as_mut().filter(|payment| {
            event.payment_id.as_ref() == Some(&payment.payment_id)
                || event.transaction_id.is_some() && event.transaction_id == payment.transaction_id
        })
    }

    /// Applies the payment's status at the provider. An order that is no longer paid must not ship.
    fn apply_provider_status(
        &mut self,
        event: &PaymentEvent,
        status: PaymentStatus,
        now: DateTime<Utc>,
    ) {
        let paid = self.state.is_paid();
        let dispatched = self.state.status().is_dispatched();
        let Some(own) = self.own_payment(event) else {
            return;
        };
        match status {
            PaymentStatus::Refunded | PaymentStatus::Declined if paid && !dispatched => {
                // No caller waits for this outcome; the audit log has it.
                self.decide_cancel(cancellation_for_lost_payment(event.provider), now);
            }
            PaymentStatus::Refunded | PaymentStatus::RefundDue => own.status = status,
            // The refund failed at the provider, so the payment is still captured.
            PaymentStatus::Captured if own.status == PaymentStatus::Refunded => own.status = status,
            PaymentStatus::Pending
            | PaymentStatus::Captured
            | PaymentStatus::Declined
            | PaymentStatus::Refunding => {}
        }
    }

    /// Appends the outcome of a payment that this order could not use to the audit log.
    pub(super) fn record_settled_payment(
        &mut self,
        settled: &UnmatchedPaymentSignal,
        now: DateTime<Utc>,
    ) {
        let transaction = (settled.event.provider, settled.event.transaction_id.clone());
        // Several events may report the same payment; it is settled once.
        if self.settled_payments.insert(transaction) && self.state.is_running() {
            let kind = if settled.refunded {
                AuditEventType::UnmatchedPaymentRefunded
            } else {
                AuditEventType::UnmatchedPaymentRefundDue
            };
            self.append_audit_event(kind, settled.event.audit_source(), now);
        }
    }
}
