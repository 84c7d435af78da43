//! [`RecorderWorkflow`]: records the events of a provider that concern no order.
//!
//! A provider can send many of them: an endpoint may be registered for all its event types. So there
//! is one recorder for each provider, which takes all events that have arrived together.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, TimerOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, select,
};

use crate::{
    Message, PaymentEventSignal,
    activity::{RecordPaymentEventInput, SettlementActivities},
    policies,
};
use domain::{PaymentEvent, PaymentEventKind, WebhookOutcome};

type Context = WorkflowContext<RecorderWorkflow>;

/// The largest batch. Recording an event takes at most four statements, and a batch at most 3 s.
const BATCH: usize = 200;

/// The events that the next run can record. Its input is limited to 2 MB.
const CARRIED: usize = 1_000;

/// The state that a run carries over to the next one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecorderInput {
    #[serde(default)]
    pub events: VecDeque<PaymentEvent>,
}

#[workflow]
pub struct RecorderWorkflow {
    events: VecDeque<PaymentEvent>,
}

#[workflow_methods]
impl RecorderWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, carried: RecorderInput) -> Self {
        Self {
            events: carried.events,
        }
    }

    #[run(name = "RecorderWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        while wait_for_event(ctx).await? {
            record_batch(ctx).await?;
            let count = ctx.state(|recorder| recorder.events.len());
            if ctx.continue_as_new_suggested() && count <= CARRIED {
                let events = ctx.state_mut(|recorder| std::mem::take(&mut recorder.events));
                let input = RecorderInput { events };
                match ctx.continue_as_new(input, ContinueAsNewOptions::default())? {}
            }
        }
        Ok(())
    }

    /// Receives an event.
    #[signal(name = "payment_event")]
    pub fn payment_event(
        &mut self,
        _: &mut SyncWorkflowContext<Self>,
        message: Message<PaymentEventSignal>,
    ) {
        // Only our own programs send this signal, so a malformed one contains no event.
        if let Message::Valid(received) = message {
            self.events.push_back(received.event);
        }
    }
}

/// Waits for an event. Returns `false` if none arrives for a while.
async fn wait_for_event(ctx: &Context) -> WorkflowResult<bool> {
    let has_event = |recorder: &RecorderWorkflow| !recorder.events.is_empty();
    if ctx.state(has_event) {
        return Ok(true);
    }
    let token = WorkflowCancellationToken::new();
    let options = TimerOptions::builder(policies::RECORDER_LINGER)
        .cancellation_token(token.clone())
        .build();
    let mut timer = ctx.timer(options);
    let mut received = ctx.wait_condition(has_event);
    select! {
        _ = timer => {}
        result = received => {
            token.cancel();
            result?;
        }
    }
    Ok(ctx.state(has_event))
}

/// Records events with a regular activity, so that no signals gather behind the workflow task.
async fn record_batch(ctx: &Context) -> WorkflowResult<()> {
    let inputs: Vec<_> = ctx.state_mut(|recorder| {
        let count = recorder.events.len().min(BATCH);
        recorder.events.drain(..count).map(decide).collect()
    });
    ctx.execute_activity(
        SettlementActivities::record_deliveries,
        inputs,
        policies::database_options(None),
    )
    .await?;
    Ok(())
}

fn decide(event: PaymentEvent) -> RecordPaymentEventInput {
    let (outcome, detail) = outcome_without_order(&event);
    RecordPaymentEventInput {
        event,
        outcome,
        detail,
        settled: true,
    }
}

/// Returns the outcome of an event that concerns no order and offers no money, and its reason.
pub(crate) fn outcome_without_order(event: &PaymentEvent) -> (WebhookOutcome, Option<String>) {
    match &event.kind {
        PaymentEventKind::Unconfirmed { event_type } => {
            (WebhookOutcome::Unconfirmed, Some(event_type.clone()))
        }
        PaymentEventKind::Ignored { event_type, reason } => {
            let detail = match reason {
                Some(reason) => format!("{event_type}: {reason}"),
                None => event_type.clone(),
            };
            (WebhookOutcome::Ignored, Some(detail))
        }
        PaymentEventKind::Unreadable { reason } => {
            (WebhookOutcome::Unreadable, Some(reason.clone()))
        }
        PaymentEventKind::Paid { .. }
        | PaymentEventKind::Authorised { .. }
        | PaymentEventKind::AttemptFailed { .. }
        | PaymentEventKind::Voided { .. }
        | PaymentEventKind::CaptureFailed { .. }
        | PaymentEventKind::Processing
        | PaymentEventKind::Refunded { .. }
        | PaymentEventKind::RefundFailed { .. }
        | PaymentEventKind::Returned { .. }
        | PaymentEventKind::Disputed { .. }
        | PaymentEventKind::Warning { .. }
        | PaymentEventKind::CompletedUnpaid { .. }
        | PaymentEventKind::ReportRefused { .. }
        | PaymentEventKind::Resolved { .. } => (WebhookOutcome::UnknownOrder, None),
    }
}
