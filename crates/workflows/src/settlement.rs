//! [`SettlementWorkflow`]: the handling of payment events that no open order takes.
//!
//! There is one settlement for each transaction. It passes the event to the order if the order is
//! open. It refunds money that the order does not need, or whose order has ended or never existed.
//! Only settlements append to the audit log of an order that has ended.

use std::collections::VecDeque;

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SignalWorkflowOptions, SyncWorkflowContext, TimerOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, select,
};

use crate::{
    Message, OrderWorkflow, PaymentEventSignal, UnmatchedPaymentSignal,
    activity::{
        FoundOrder, LateAuditEventInput, OrderPresence, ReceivePaymentEventInput,
        RecordPaymentEventInput, RecordedEvent, SettlePaymentOutcome, SettlementActivities,
        UnmatchedPaymentInput,
    },
    clock, database_step, patches, policies,
    recorder::outcome_without_order,
};
use contract::order_workflow_id;
use domain::{AuditEventType, OrderId, PaymentEvent, PaymentEventKind, WebhookOutcome};

type Context = WorkflowContext<SettlementWorkflow>;

#[workflow]
#[derive(Default)]
pub struct SettlementWorkflow {
    pending_signals: VecDeque<PaymentEventSignal>,
}

#[workflow_methods]
impl SettlementWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, first: Option<PaymentEventSignal>) -> Self {
        Self {
            pending_signals: first.into_iter().collect(),
        }
    }

    #[run(name = "SettlementWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        loop {
            ctx.wait_condition(|settlement| !settlement.pending_signals.is_empty())
                .await?;
            let Some(received) = ctx.state_mut(|settlement| settlement.pending_signals.pop_front())
            else {
                continue;
            };
            settle_event(ctx, received).await?;
            if ctx.state(|settlement| settlement.pending_signals.is_empty()) {
                return Ok(());
            }
        }
    }

    /// Receives another event of the same transaction.
    #[signal(name = "payment_event")]
    pub fn payment_event(
        &mut self,
        _: &mut SyncWorkflowContext<Self>,
        message: Message<PaymentEventSignal>,
    ) {
        // Only our own programs send this signal, so a malformed one contains no payment.
        if let Message::Valid(received) = message {
            self.pending_signals.push_back(received);
        }
    }
}

async fn settle_event(ctx: &Context, received: PaymentEventSignal) -> WorkflowResult<()> {
    let PaymentEventSignal {
        event,
        declined,
        again,
        grace,
    } = received.clone();
    let input = ReceivePaymentEventInput {
        event: event.clone(),
        again,
    };
    let settled = database_step::run(
        ctx,
        &SettlementActivities::receive_delivery,
        || input.clone(),
        policies::local_options(),
    )
    .await?;
    // An order that declined the event leaves the rest to this settlement.
    if settled.is_some() && !declined {
        return Ok(());
    }
    let found = if declined {
        FoundOrder {
            order_id: event.order_id.clone(),
            presence: OrderPresence::Closed,
        }
    } else if event.concerns_order() {
        match send_to_order(ctx, &received, grace).await? {
            // The order records the outcome itself.
            None => return Ok(()),
            Some(found) => found,
        }
    } else {
        FoundOrder {
            order_id: None,
            presence: OrderPresence::Unknown,
        }
    };
    let mut event = event;
    if found.presence != OrderPresence::Unknown {
        event.order_id = found.order_id.clone().or(event.order_id);
    }
    let (outcome, detail) = decide_outcome(ctx, &event, found, grace).await?;
    let processed = RecordPaymentEventInput {
        event,
        outcome,
        detail,
        settled: true,
    };
    let recorded = database_step::run(
        ctx,
        &SettlementActivities::record_delivery,
        || processed.clone(),
        policies::local_options(),
    )
    .await?;
    if let RecordedEvent::Recorded { refuted, .. } = recorded {
        for event in refuted {
            Box::pin(settle_event(ctx, PaymentEventSignal::new(event))).await?;
        }
    }
    Ok(())
}

/// Sends the event to its order, which may appear later. Returns `None` after the order received
/// it.
async fn send_to_order(
    ctx: &Context,
    received: &PaymentEventSignal,
    grace: Option<domain::Span>,
) -> WorkflowResult<Option<FoundOrder>> {
    let mut left = grace.map(domain::Span::duration).unwrap_or_default();
    let mut closing = 0;
    loop {
        let event = received.event.clone();
        let found = database_step::run(
            ctx,
            &SettlementActivities::find_order,
            || event.clone(),
            policies::local_options(),
        )
        .await?;
        if let Some(order_id) = found
            .order_id
            .as_ref()
            .filter(|_| found.presence != OrderPresence::Closed)
        {
            // The order's row may not exist yet.
            let order = ctx.external_workflow(order_workflow_id(order_id), None);
            let message = Message::Valid(received.clone());
            if order
                .signal(
                    OrderWorkflow::payment_event,
                    message,
                    SignalWorkflowOptions::default(),
                )
                .await
                .is_ok()
            {
                return Ok(None);
            }
        }
        let pause = match found.presence {
            OrderPresence::Closed => return Ok(Some(found)),
            // Temporal reports that the order has ended. Its row follows soon, unless an operator
            // terminated the workflow.
            OrderPresence::Open if closing == policies::MAX_CALLS => {
                return Ok(Some(FoundOrder {
                    presence: OrderPresence::Closed,
                    ..found
                }));
            }
            OrderPresence::Open => {
                closing += 1;
                policies::backoff(closing)
            }
            OrderPresence::Unknown if left.is_zero() => return Ok(Some(found)),
            OrderPresence::Unknown => {
                let pause = left.min(policies::ORDER_LOOKUP_INTERVAL);
                left = left.saturating_sub(pause);
                pause
            }
        };
        ctx.timer(pause).await;
    }
}

/// Decides the outcome of an event that no open order takes.
async fn decide_outcome(
    ctx: &Context,
    event: &PaymentEvent,
    found: FoundOrder,
    grace: Option<domain::Span>,
) -> WorkflowResult<(WebhookOutcome, Option<String>)> {
    if let Some((amount, _)) = event.offered_money() {
        return refund_unmatched_payment(ctx, event, amount, found.presence, grace).await;
    }
    if matches!(
        event.kind,
        PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. }
    ) {
        return Ok(outcome_without_order(event));
    }
    match (
        event.audit_entry(),
        found
            .order_id
            .filter(|_| found.presence != OrderPresence::Unknown),
    ) {
        (Some((kind, payload)), Some(order_id)) => {
            let recorded =
                append_late_audit_event(ctx, event, order_id.clone(), kind, payload).await?;
            refund_ended_order(ctx, event, order_id).await?;
            Ok(recorded)
        }
        // An operator's decision about money that belongs to no order.
        (Some((AuditEventType::PaymentConcernResolved, _)), None) => {
            Ok((WebhookOutcome::Recorded, None))
        }
        (None, _) | (_, None) => Ok((WebhookOutcome::UnknownOrder, None)),
    }
}

/// Refunds an unmatched payment.
async fn refund_unmatched_payment(
    ctx: &Context,
    event: &PaymentEvent,
    amount: domain::Money,
    presence: OrderPresence,
    grace: Option<domain::Span>,
) -> WorkflowResult<(WebhookOutcome, Option<String>)> {
    let Some(transaction_id) = event.transaction_id.clone() else {
        return Ok((
            WebhookOutcome::Unreadable,
            Some("the payment event has no transaction id".to_owned()),
        ));
    };
    let settle = async |can_wait| {
        let unmatched = UnmatchedPaymentInput {
            event: event.clone(),
            transaction_id: transaction_id.clone(),
            amount,
            can_wait,
        };
        let options = policies::payment_options();
        ctx.execute_activity(SettlementActivities::settle_payment, unmatched, options)
            .await
    };
    let mut settled = settle(grace.is_some_and(|grace| !grace.is_zero())).await?;
    let mut left = grace.map(domain::Span::duration).unwrap_or_default();
    while settled == SettlePaymentOutcome::Waits {
        let started = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(next) = wait_for_event(ctx, left).await {
            // It can report whose money this is.
            Box::pin(settle_event(ctx, next)).await?;
        }
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        left = left.saturating_sub((now - started).to_std().unwrap_or_default());
        settled = settle(!left.is_zero()).await?;
    }
    let (kind, outcome) = match settled {
        SettlePaymentOutcome::Waits | SettlePaymentOutcome::Known => {
            return Ok((WebhookOutcome::Known, None));
        }
        SettlePaymentOutcome::NothingToRefund => {
            return Ok((
                WebhookOutcome::Known,
                Some("no payment was captured, so no refund is necessary".to_owned()),
            ));
        }
        SettlePaymentOutcome::Refunded => (
            AuditEventType::UnmatchedPaymentRefunded,
            WebhookOutcome::Refunded,
        ),
        SettlePaymentOutcome::RefundDue => (
            AuditEventType::UnmatchedPaymentRefundDue,
            WebhookOutcome::RefundDue,
        ),
    };
    let Some(order_id) = event.order_id.clone() else {
        return Ok((outcome, Some("the payment event names no order".to_owned())));
    };
    if presence == OrderPresence::Unknown {
        return Ok((outcome, Some("the order does not exist".to_owned())));
    }
    let order = ctx.external_workflow(order_workflow_id(&order_id), None);
    let signal = UnmatchedPaymentSignal {
        event: event.clone(),
        refunded: settled == SettlePaymentOutcome::Refunded,
    };
    let message = Message::Valid(signal);
    if order
        .signal(
            OrderWorkflow::unmatched_payment_signal,
            message,
            SignalWorkflowOptions::default(),
        )
        .await
        .is_err()
    {
        append_late_audit_event(ctx, event, order_id, kind, event.audit_source()).await?;
    }
    Ok((outcome, None))
}

/// Refunds money that came back to us by this event, and that the ended order does not need.
async fn refund_ended_order(
    ctx: &Context,
    event: &PaymentEvent,
    order_id: OrderId,
) -> WorkflowResult<()> {
    let returns_money = matches!(
        event.kind,
        PaymentEventKind::RefundFailed { .. } | PaymentEventKind::Disputed { .. }
    );
    if !returns_money || !ctx.patched(patches::REFUND_AFTER_END) {
        return Ok(());
    }
    let refund = SettlementActivities::refund_ended_order;
    let options = policies::payment_options();
    let kind = match ctx
        .execute_activity(refund, order_id.clone(), options)
        .await?
    {
        SettlePaymentOutcome::Refunded => AuditEventType::UnmatchedPaymentRefunded,
        SettlePaymentOutcome::RefundDue => AuditEventType::UnmatchedPaymentRefundDue,
        SettlePaymentOutcome::Known
        | SettlePaymentOutcome::NothingToRefund
        | SettlePaymentOutcome::Waits => return Ok(()),
    };
    append_late_audit_event(ctx, event, order_id, kind, event.audit_source()).await?;
    Ok(())
}

/// Waits for another event of the transaction. Returns `None` if none arrives in time.
async fn wait_for_event(ctx: &Context, left: std::time::Duration) -> Option<PaymentEventSignal> {
    let token = WorkflowCancellationToken::new();
    let options = TimerOptions::builder(left)
        .cancellation_token(token.clone())
        .build();
    let mut timer = ctx.timer(options);
    let mut received = ctx.wait_condition(|settlement| !settlement.pending_signals.is_empty());
    select! {
        _ = timer => {}
        _ = received => token.cancel(),
    }
    ctx.state_mut(|settlement| settlement.pending_signals.pop_front())
}

/// Appends an audit event after the order has ended, and returns the outcome of the payment event.
async fn append_late_audit_event(
    ctx: &Context,
    event: &PaymentEvent,
    order_id: OrderId,
    kind: AuditEventType,
    payload: serde_json::Value,
) -> WorkflowResult<(WebhookOutcome, Option<String>)> {
    let late = LateAuditEventInput {
        event: event.clone(),
        order_id,
        kind,
        payload,
    };
    let mut number = 0;
    loop {
        number += 1;
        let step = SettlementActivities::append_to_trail;
        let appended =
            database_step::run(ctx, &step, || late.clone(), policies::local_options()).await?;
        match appended {
            Some(outcome) => return Ok((outcome, None)),
            // The order writes its last audit events, unless an operator terminated its workflow.
            None if number < policies::MAX_CALLS => ctx.timer(policies::backoff(number)).await,
            None => {
                return Ok((
                    WebhookOutcome::Recorded,
                    Some("the order's workflow was terminated before its end".to_owned()),
                ));
            }
        };
    }
}
