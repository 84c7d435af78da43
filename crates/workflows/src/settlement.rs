//! `SettlementWorkflow`: what becomes of a payment provider's events that no open order takes.
//!
//! One for each transaction. It tells the order, if there is one to be told; what the order cannot use, and money that
//! comes when its order has ended or never was, goes back. It alone writes to the trail of an order that has ended.

use std::collections::VecDeque;

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SignalWorkflowOptions, SyncWorkflowContext, WorkflowContext, WorkflowContextView,
    WorkflowResult,
};

use crate::{
    Message, OrderWorkflow, PaymentEventSignal, UnmatchedPaymentSignal,
    activity::{
        Found, Postscript, ReceivePaymentEventInput, RecordPaymentEventInput, SettlePaymentOutcome,
        SettlementSteps, Stray, Whose,
    },
    policies,
};
use contract::order_workflow_id;
use domain::{AuditEventType, OrderId, PaymentEvent, PaymentEventKind, WebhookOutcome};

type Context = WorkflowContext<SettlementWorkflow>;

#[workflow]
#[derive(Default)]
pub struct SettlementWorkflow {
    waiting: VecDeque<PaymentEventSignal>,
}

#[workflow_methods]
impl SettlementWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, first: Option<PaymentEventSignal>) -> Self {
        Self {
            waiting: first.into_iter().collect(),
        }
    }

    #[run(name = "SettlementWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        loop {
            ctx.wait_condition(|settlement| !settlement.waiting.is_empty())
                .await?;
            let Some(notice) = ctx.state_mut(|settlement| settlement.waiting.pop_front()) else {
                continue;
            };
            settle(ctx, notice).await?;
            if ctx.state(|settlement| settlement.waiting.is_empty()) {
                return Ok(());
            }
        }
    }

    /// One more event of the same transaction.
    #[signal(name = "payment_event")]
    pub fn payment_event(
        &mut self,
        _: &mut SyncWorkflowContext<Self>,
        message: Message<PaymentEventSignal>,
    ) {
        // Only our own programs send these, and what cannot be read is nobody's money.
        if let Message::Valid(notice) = message {
            self.waiting.push_back(notice);
        }
    }
}

async fn settle(ctx: &Context, notice: PaymentEventSignal) -> WorkflowResult<()> {
    let PaymentEventSignal {
        event,
        declined,
        again,
        grace,
    } = notice.clone();
    let delivery = ReceivePaymentEventInput {
        event: event.clone(),
        again,
    };
    let settled = ctx
        .execute_local_activity(
            SettlementSteps::receive_delivery,
            delivery,
            policies::local_options(),
        )
        .await?;
    // The order that declined it has left the rest to us.
    if settled.is_some() && !declined {
        return Ok(());
    }
    let found = if declined {
        Found {
            order_id: event.order_id.clone(),
            whose: Whose::Closed,
        }
    } else if event.concerns_order() {
        match find(ctx, &notice, grace).await? {
            // It writes itself what comes of it.
            None => return Ok(()),
            Some(found) => found,
        }
    } else {
        Found {
            order_id: None,
            whose: Whose::Unknown,
        }
    };
    let (outcome, detail) = conclude(ctx, &event, found).await?;
    let delivered = RecordPaymentEventInput {
        event,
        outcome,
        detail,
    };
    ctx.execute_local_activity(
        SettlementSteps::record_delivery,
        delivered,
        policies::local_options(),
    )
    .await?;
    Ok(())
}

/// Tells the order, now or when it has appeared; `None` when it has been told.
async fn find(
    ctx: &Context,
    notice: &PaymentEventSignal,
    grace: Option<domain::Span>,
) -> WorkflowResult<Option<Found>> {
    let mut left = grace.map(domain::Span::duration).unwrap_or_default();
    let mut closing = 0;
    loop {
        let event = notice.event.clone();
        let found = ctx
            .execute_local_activity(
                SettlementSteps::find_order,
                event,
                policies::local_options(),
            )
            .await?;
        if let Some(order_id) = found
            .order_id
            .as_ref()
            .filter(|_| found.whose != Whose::Closed)
        {
            // Its row may not be there yet.
            let order = ctx.external_workflow(order_workflow_id(order_id), None);
            let message = Message::Valid(notice.clone());
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
        let pause = match found.whose {
            Whose::Closed => return Ok(Some(found)),
            // Temporal says that it has ended: its row will say so in a moment, unless somebody terminated it.
            Whose::Open if closing == policies::MAX_CALLS => {
                return Ok(Some(Found {
                    whose: Whose::Closed,
                    ..found
                }));
            }
            Whose::Open => {
                closing += 1;
                policies::backoff(closing)
            }
            Whose::Unknown if left.is_zero() => return Ok(Some(found)),
            Whose::Unknown => {
                let pause = left.min(policies::ORDER_LOOKUP_INTERVAL);
                left = left.saturating_sub(pause);
                pause
            }
        };
        ctx.timer(pause).await;
    }
}

/// What comes of an event that no open order takes.
async fn conclude(
    ctx: &Context,
    event: &PaymentEvent,
    found: Found,
) -> WorkflowResult<(WebhookOutcome, Option<String>)> {
    match &event.kind {
        PaymentEventKind::Paid { amount, .. } => {
            return stray(ctx, event, *amount, found.whose).await;
        }
        PaymentEventKind::Unconfirmed { event_type } => {
            return Ok((WebhookOutcome::Unconfirmed, Some(event_type.clone())));
        }
        PaymentEventKind::Ignored { event_type } => {
            return Ok((WebhookOutcome::Ignored, Some(event_type.clone())));
        }
        PaymentEventKind::Unreadable { reason } => {
            return Ok((WebhookOutcome::Unreadable, Some(reason.clone())));
        }
        PaymentEventKind::AttemptFailed { .. }
        | PaymentEventKind::Failed { .. }
        | PaymentEventKind::Processing
        | PaymentEventKind::Refunded { .. }
        | PaymentEventKind::RefundFailed { .. }
        | PaymentEventKind::Disputed { .. } => {}
    }
    match (
        event.audit_entry(),
        found.order_id.filter(|_| found.whose != Whose::Unknown),
    ) {
        (Some((kind, payload)), Some(order_id)) => {
            append(ctx, event, order_id, kind, payload).await
        }
        (None, _) | (_, None) => Ok((WebhookOutcome::UnknownOrder, None)),
    }
}

/// Money that no order waits for goes back.
async fn stray(
    ctx: &Context,
    event: &PaymentEvent,
    amount: domain::Money,
    whose: Whose,
) -> WorkflowResult<(WebhookOutcome, Option<String>)> {
    let Some(transaction_id) = event.transaction_id.clone() else {
        return Ok((
            WebhookOutcome::Unreadable,
            Some("a payment without a transaction".to_owned()),
        ));
    };
    let stray = Stray {
        event: event.clone(),
        transaction_id,
        amount,
    };
    let settled = ctx
        .execute_activity(
            SettlementSteps::settle_payment,
            stray,
            policies::payment_options(),
        )
        .await?;
    let (kind, outcome) = match settled {
        SettlePaymentOutcome::Known => return Ok((WebhookOutcome::Known, None)),
        SettlePaymentOutcome::NothingToRefund => {
            return Ok((
                WebhookOutcome::Known,
                Some("there is nothing to give back".to_owned()),
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
        return Ok((outcome, Some("it names no order".to_owned())));
    };
    if whose == Whose::Unknown {
        return Ok((outcome, Some("there is no such order".to_owned())));
    }
    let order = ctx.external_workflow(order_workflow_id(&order_id), None);
    let told = UnmatchedPaymentSignal {
        event: event.clone(),
        refunded: settled == SettlePaymentOutcome::Refunded,
    };
    let message = Message::Valid(told);
    if order
        .signal(
            OrderWorkflow::stray_money_signal,
            message,
            SignalWorkflowOptions::default(),
        )
        .await
        .is_err()
    {
        append(ctx, event, order_id, kind, event.audit_source()).await?;
    }
    Ok((outcome, None))
}

/// Writes the entry when the order has ended; what that makes of the event.
async fn append(
    ctx: &Context,
    event: &PaymentEvent,
    order_id: OrderId,
    kind: AuditEventType,
    payload: serde_json::Value,
) -> WorkflowResult<(WebhookOutcome, Option<String>)> {
    let postscript = Postscript {
        event: event.clone(),
        order_id,
        kind,
        payload,
    };
    let mut number = 0;
    loop {
        number += 1;
        let step = SettlementSteps::append_to_trail;
        let appended = ctx
            .execute_local_activity(step, postscript.clone(), policies::local_options())
            .await?;
        match appended {
            Some(outcome) => return Ok((outcome, None)),
            // Its last entries are being written, unless somebody terminated it.
            None if number < policies::MAX_CALLS => ctx.timer(policies::backoff(number)).await,
            None => {
                return Ok((
                    WebhookOutcome::Recorded,
                    Some("the order's workflow did not end by itself".to_owned()),
                ));
            }
        };
    }
}
