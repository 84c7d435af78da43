//! What payment providers tell of an order's payment, by their signed notifications.
//!
//! A payment that the order waits for is a confirmation like any other. One that it cannot use is left to a settlement,
//! which gives it back.

use chrono::{DateTime, Utc};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, SignalWorkflowOptions, WorkflowCancellationToken,
    WorkflowContext,
};

use super::{OrderWorkflow, Verdict, now, requests, save, wait};
use crate::{
    Message, Notice, SettlementWorkflow, StrayMoney,
    activity::{Delivered, Delivery, SettlementSteps},
    policies,
};
use contract::{Answer, Cancellation, PaymentConfirmation, settlement_workflow_id};
use domain::{
    DeliveryOutcome, EventType, Money, PaymentEvent, PaymentEventKind, PaymentInfo, PaymentStatus,
    WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// What an event means for the order.
enum Judgement {
    Done(DeliveryOutcome),
    /// It is a payment that the order takes; whether it holds is known when it is recorded.
    Accepted,
    /// The order has no use for it.
    Stray,
}

/// Takes an event once, however often it is sent.
pub(super) async fn payment_event(ctx: &Context, message: Message<Notice>) {
    let mut event = match message {
        Message::Valid(notice) => notice.event,
        Message::Malformed(reason) => {
            requests::malformed(ctx, "payment_event", reason);
            return;
        }
    };
    // It may have found us by its transaction.
    event.order_id = Some(ctx.state(|order| order.record.order_id.clone()));
    if !ctx.state_mut(|order| order.heard.insert((event.provider, event.event_id.clone()))) {
        return;
    }
    requests::loaded(ctx).await;
    let now = now(ctx);
    let outcome = match ctx.state_mut(|order| order.judge(&event, now)) {
        Judgement::Done(outcome) => outcome,
        Judgement::Accepted => {
            // Recorded when its turn comes; until then operators see that it is there.
            if !ctx.state(|order| order.payment_awaited) {
                let delivery = Delivery {
                    event: event.clone(),
                    again: false,
                };
                save::nothing(ctx, SettlementSteps::receive_delivery, delivery).await;
            }
            recorded(ctx).await
        }
        Judgement::Stray => {
            leave(ctx, event).await;
            return;
        }
    };
    let delivered = Delivered {
        event: event.clone(),
        outcome,
        detail: None,
    };
    let standing = save::nothing(ctx, SettlementSteps::record_delivery, delivered).await;
    // Now that the payment's row says that it went back, nobody gives it back once more.
    if let Some(standing) = standing {
        ctx.state_mut(|order| order.stands(&event, standing, super::now(ctx)));
    }
}

/// Waits until the accepted payment is recorded. An order that was stopped records it too, and gives it back.
async fn recorded(ctx: &Context) -> DeliveryOutcome {
    let known = |order: &OrderWorkflow| order.confirmation_verdict.is_some() || order.is_stopped();
    // Detached from cancellation, this wait has no way to fail.
    let _ = ctx
        .wait_condition_with_options(known, wait::detached())
        .await;
    ctx.state(|order| match &order.confirmation_verdict {
        // The transaction pays another order: that one has the money.
        Some(Verdict::Refused(_)) => DeliveryOutcome::Refused,
        Some(Verdict::Granted) | None => DeliveryOutcome::Applied,
    })
}

/// Leaves it to a settlement, which outlives the order.
async fn leave(ctx: &Context, event: PaymentEvent) {
    let workflow_id = settlement_workflow_id(&event);
    let notice = Notice {
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
            Err(_) if number < policies::TRIES => {}
            Err(error) => save::held(ctx, error).await,
        }
    }
}

/// Why an order is cancelled whose money went back at its provider, or never came.
pub(super) fn taken_back(provider: WebhookProvider) -> Cancellation {
    Cancellation {
        reason: Some(format!("the payment did not last, {provider} says")),
    }
}

impl OrderWorkflow {
    fn judge(&mut self, event: &PaymentEvent, now: DateTime<Utc>) -> Judgement {
        // Its last entry is being written: what comes now comes after its end.
        if !self.record.is_running() {
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
                let another = self.unfinished.is_some() && self.unfinished != event.transaction_id;
                if self.payment_awaited && self.confirmation.is_none() && !another {
                    self.payment_failed = Some(reason.clone());
                    return Judgement::Done(DeliveryOutcome::Applied);
                }
            }
            // The provider's word on a refund of our own.
            PaymentEventKind::Refunded { .. }
                if self
                    .own(event)
                    .is_some_and(|own| own.status.is_given_back()) =>
            {
                return Judgement::Done(DeliveryOutcome::Known);
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
        if let Some((kind, payload)) = event.entry() {
            self.audit(kind, payload, now);
        }
        Judgement::Done(DeliveryOutcome::Recorded)
    }

    fn judge_payment(
        &mut self,
        event: &PaymentEvent,
        amount: Money,
        payment_method: Option<String>,
        now: DateTime<Utc>,
    ) -> Judgement {
        let Some(transaction_id) = event.transaction_id.clone() else {
            return Judgement::Done(DeliveryOutcome::Unreadable);
        };
        // The provider's word on a charge of our own is no second payment, unless that is what the charge waits for.
        if self.unfinished.as_ref() != Some(&transaction_id) && self.own(event).is_some() {
            return Judgement::Done(DeliveryOutcome::Known);
        }
        let confirmation = PaymentConfirmation {
            transaction_id,
            amount: amount.decimal(),
            currency: Some(amount.currency().to_string()),
            payment_method,
            provider: Some(event.provider),
        };
        match self.accept_confirmation(confirmation, now) {
            None => Judgement::Accepted,
            Some(Answer::Done { .. }) => Judgement::Done(DeliveryOutcome::Known),
            Some(Answer::Refused { .. } | Answer::Undecided { .. }) => Judgement::Stray,
        }
    }

    /// The order's payment, if the event is about that one.
    fn own(&mut self, event: &PaymentEvent) -> Option<&mut PaymentInfo> {
        self.record.payment.as_mut().filter(|payment| {
            event.payment_id.as_ref() == Some(&payment.payment_id)
                || event.transaction_id.is_some() && event.transaction_id == payment.transaction_id
        })
    }

    /// What the provider did with the order's own payment: an order that is not paid any more does not leave.
    fn stands(&mut self, event: &PaymentEvent, standing: PaymentStatus, now: DateTime<Utc>) {
        let paid = self.record.is_paid();
        let dispatched = self.record.status().is_dispatched();
        let Some(own) = self.own(event) else { return };
        match standing {
            PaymentStatus::Refunded | PaymentStatus::Declined if paid && !dispatched => {
                // What it answers is for people; the trail tells.
                self.request_cancel(taken_back(event.provider), now);
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
    pub(super) fn stray_money(&mut self, told: &StrayMoney, now: DateTime<Utc>) {
        let transaction = (told.event.provider, told.event.transaction_id.clone());
        // However many events told of it, it went back once.
        if self.strays.insert(transaction) && self.record.is_running() {
            let kind = if told.refunded {
                EventType::StrayPaymentRefunded
            } else {
                EventType::StrayPaymentRefundDue
            };
            self.audit(kind, told.event.source(), now);
        }
    }
}
