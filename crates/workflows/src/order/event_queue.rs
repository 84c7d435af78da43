//! The payment events that an order has received and not processed yet.
//!
//! Signal handlers only append to this queue, so a handler never waits. One task takes the events in
//! their order. Events whose decision depends on nothing are recorded in batches, so that thousands of
//! them need few history events.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
};

use serde::{Deserialize, Serialize};
use temporalio_workflow::WorkflowContext;

use super::{
    OrderWorkflow, continuation,
    decisions::AcceptanceRules,
    payment_events::{self, EventDecision, EventRules},
    payment_record::{record_replacements, replaceable_money},
    payments::ConfirmationOutcome,
    persistence,
    refund::{refund_excess, refund_transactions},
    waiting,
};
use crate::activity::{
    ReceivePaymentEventInput, RecordPaymentEventInput, RecordedBatch, RecordedEvent,
    SettlementActivities,
};
use domain::{
    PartialPayments, PaymentEvent, PaymentEventKind, Span, WebhookOutcome, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// The largest batch. Recording an event takes at most four statements, and a batch at most 3 s.
const BATCH: usize = 200;

/// The number of events that the next run can process. Its input is limited to 2 MB, and an event has
/// about 500 bytes.
const CARRIED: usize = 1_000;

/// The number of event ids that an order remembers. A provider that sends an older event again gets a
/// second audit event, and nothing else: the ledger has each event once.
const REMEMBERED: usize = 4_000;

/// An event and the wait of its settlement for an unknown order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QueuedEvent {
    event: PaymentEvent,
    grace: Option<Span>,
    /// Whether the order itself reports a confirmation that it refused.
    is_own_report: bool,
}

/// An event that waits for the order.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WaitingEvent {
    queued: QueuedEvent,
    /// The event can be about the session of an accepted payment, which must be recorded first.
    /// Otherwise it is itself an accepted payment.
    may_join: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct EventQueue {
    /// Oldest first.
    queued: VecDeque<QueuedEvent>,
    waiting: Vec<WaitingEvent>,
    seen: BTreeSet<(WebhookProvider, String)>,
    /// The ids of `seen`, oldest first.
    seen_order: VecDeque<(WebhookProvider, String)>,
    is_busy: bool,
    /// Whether the order has money that it may not need.
    must_refund: bool,
    is_refunding: bool,
}

impl EventQueue {
    /// Appends an event, unless it was received before.
    pub(super) fn push(&mut self, event: PaymentEvent, grace: Option<Span>) {
        let id = (event.provider, event.event_id.clone());
        if !self.seen.insert(id.clone()) {
            return;
        }
        self.seen_order.push_back(id);
        if self.seen_order.len() > REMEMBERED
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.queued.push_back(QueuedEvent {
            event,
            grace,
            is_own_report: false,
        });
    }

    /// Appends the report of a confirmation that the order refused.
    pub(super) fn push_own_report(&mut self, event: PaymentEvent) {
        self.queued.push_back(QueuedEvent {
            event,
            grace: None,
            is_own_report: true,
        });
    }

    /// Returns whether every event is processed.
    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.waiting.is_empty() && !self.is_working()
    }

    /// Returns whether the next run can process the events.
    pub(super) fn can_be_carried(&self) -> bool {
        self.queued.len() + self.waiting.len() <= CARRIED
    }

    /// Returns whether an event or a refund is in progress.
    pub(super) fn is_working(&self) -> bool {
        self.is_busy || self.must_refund || self.is_refunding
    }

    fn has_work(&self, order: &OrderWorkflow) -> bool {
        (order.is_validated_or_stopped() && !self.queued.is_empty())
            || self.waiting.iter().any(|event| event.is_ready(order))
    }

    /// Takes the next events: some that are recorded together, or one.
    fn take_batch(&mut self) -> Vec<QueuedEvent> {
        let together = self.queued.iter().take(BATCH);
        let together = together
            .take_while(|queued| queued.is_independent())
            .count();
        self.queued.drain(..together.max(1)).collect()
    }
}

impl QueuedEvent {
    /// Returns whether the decision about the event is the same in each state of an open order.
    fn is_independent(&self) -> bool {
        match self.event.kind {
            PaymentEventKind::AttemptFailed { .. }
            | PaymentEventKind::CaptureFailed { .. }
            | PaymentEventKind::RefundFailed { .. }
            | PaymentEventKind::Returned { .. }
            | PaymentEventKind::Disputed { .. }
            | PaymentEventKind::Warning { .. }
            | PaymentEventKind::CompletedUnpaid { .. }
            | PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. }
            | PaymentEventKind::Resolved { .. } => true,
            PaymentEventKind::ReportRefused { .. } => !self.is_own_report,
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::Authorised { .. }
            | PaymentEventKind::Voided { .. }
            | PaymentEventKind::Processing
            | PaymentEventKind::Refunded { .. } => false,
        }
    }
}

impl WaitingEvent {
    fn is_ready(&self, order: &OrderWorkflow) -> bool {
        if self.may_join {
            return order.payments.accepted.is_empty() || !order.state.is_running();
        }
        let id = self.queued.event.transaction_id.as_ref();
        let is_recorded = id.is_none_or(|id| order.payments.outcomes.contains_key(id));
        is_recorded || order.is_stopped() || !order.state.is_running()
    }
}

/// Processes the events while the order runs.
pub(super) async fn process_events(ctx: &Context) -> Infallible {
    loop {
        let has_work = |order: &OrderWorkflow| {
            order.payment_events.has_work(order) && !continuation::leaves_events(ctx, order)
        };
        // A wait that is detached from cancellation cannot fail.
        let _ = ctx
            .wait_condition_with_options(has_work, waiting::detached_wait())
            .await;
        ctx.state_mut(|order| order.payment_events.is_busy = true);
        Box::pin(process_next(ctx)).await;
        ctx.state_mut(|order| order.payment_events.is_busy = false);
    }
}

async fn process_next(ctx: &Context) {
    let ready = ctx.state_mut(|order| {
        let waiting = &order.payment_events.waiting;
        let ready = waiting.iter().position(|event| event.is_ready(order));
        ready.map(|index| order.payment_events.waiting.remove(index))
    });
    if let Some(WaitingEvent { queued, may_join }) = ready {
        return if may_join {
            settle(ctx, queued).await;
        } else {
            finish_accepted(ctx, queued).await;
        };
    }
    let mut batch = ctx.state_mut(|order| order.payment_events.take_batch());
    if batch.len() > 1 || batch.first().is_some_and(QueuedEvent::is_independent) {
        record_batch(ctx, batch).await;
    } else if let Some(queued) = batch.pop() {
        process_one(ctx, queued).await;
    }
}

/// Processes an event whose decision depends on the state of the order.
async fn process_one(ctx: &Context, queued: QueuedEvent) {
    if queued.is_own_report {
        return record_own_report(ctx, queued.event).await;
    }
    let event = queued.event.clone();
    let may_join =
        |order: &OrderWorkflow| order.state.is_running() && order.payments.may_join_session(&event);
    if ctx.state(may_join) {
        // The settlement reads the session from the ledger.
        return wait(ctx, queued, true);
    }
    // A capture with an id is a part of its transaction, and the other parts can follow.
    let takes_part = ctx
        .state(|order| order.policy.partial_payments == PartialPayments::Refund && event.is_part());
    let replaceable = match event.offered_money() {
        Some(_) => replaceable_money(ctx),
        None => 0,
    };
    let rules = EventRules {
        ledger: true,
        acceptance: AcceptanceRules {
            takes_part,
            replaceable,
        },
    };
    let now = super::current_time(ctx);
    match ctx.state_mut(|order| order.decide_payment_event(&event, rules, now)) {
        EventDecision::Done(outcome) => record(ctx, queued, outcome).await,
        EventDecision::Accepted => {
            // The payment is recorded at the payment step. Until then operators see the received
            // event.
            if ctx.state(|order| order.payments.awaited().is_none()) {
                let received = ReceivePaymentEventInput {
                    event,
                    again: false,
                };
                let step = SettlementActivities::receive_delivery;
                persistence::run_readonly(ctx, step, received).await;
            }
            record_replacements(ctx).await;
            wait(ctx, queued, false);
        }
        EventDecision::Unmatched => settle(ctx, queued).await,
    }
}

fn wait(ctx: &Context, queued: QueuedEvent, may_join: bool) {
    let waiting = WaitingEvent { queued, may_join };
    ctx.state_mut(|order| order.payment_events.waiting.push(waiting));
}

async fn settle(ctx: &Context, queued: QueuedEvent) {
    payment_events::hand_to_settlement(ctx, queued.event, true, queued.grace).await;
}

/// Records an accepted payment, after the order has recorded or refused it.
async fn finish_accepted(ctx: &Context, queued: QueuedEvent) {
    let id = queued.event.transaction_id.clone();
    let outcome = ctx.state(|order| order.payments.outcomes.get(id.as_ref()?).cloned());
    match outcome {
        Some(ConfirmationOutcome::Refused(_)) => settle(ctx, queued).await,
        Some(ConfirmationOutcome::Recorded) | None => {
            record(ctx, queued, WebhookOutcome::Applied).await;
        }
    }
}

/// Records one event, then applies the state of the ledger.
async fn record(ctx: &Context, queued: QueuedEvent, outcome: WebhookOutcome) {
    let event = &queued.event;
    let input = RecordPaymentEventInput {
        event: event.clone(),
        outcome,
        detail: None,
        settled: false,
    };
    let step = SettlementActivities::record_delivery;
    let RecordedEvent::Recorded {
        transaction,
        is_of_another_order,
        is_second_payment,
        refuted,
    } = persistence::run_readonly(ctx, step, input).await
    else {
        // Only activities of earlier releases return a status.
        return;
    };
    if is_of_another_order {
        return payment_events::hand_to_settlement(ctx, queued.event, false, None).await;
    }
    // Another payment has the ids of one that the order knows.
    if is_second_payment && event.offered_money().is_some() {
        return settle(ctx, queued).await;
    }
    for refutation in refuted {
        payment_events::hand_to_settlement(ctx, refutation, false, None).await;
    }
    let noted = transaction.map(|noted| *noted).into_iter().collect();
    payment_events::apply_batched_event(ctx, event, outcome, noted).await;
}

async fn record_batch(ctx: &Context, batch: Vec<QueuedEvent>) {
    let now = super::current_time(ctx);
    let rules = EventRules {
        ledger: true,
        acceptance: AcceptanceRules::default(),
    };
    let mut decided = Vec::new();
    let mut unmatched = Vec::new();
    ctx.state_mut(|order| {
        for queued in batch {
            match order.decide_payment_event(&queued.event, rules, now) {
                EventDecision::Done(outcome) => decided.push((queued, outcome)),
                EventDecision::Accepted | EventDecision::Unmatched => unmatched.push(queued),
            }
        }
    });
    if !decided.is_empty() {
        record_all(ctx, decided).await;
    }
    for queued in unmatched {
        settle(ctx, queued).await;
    }
}

/// Records events in the ledger, then applies its state and writes the events to the audit log.
async fn record_all(ctx: &Context, decided: Vec<(QueuedEvent, WebhookOutcome)>) {
    let inputs = decided
        .iter()
        .map(|(queued, outcome)| RecordPaymentEventInput {
            event: queued.event.clone(),
            outcome: *outcome,
            detail: None,
            settled: false,
        });
    let step = SettlementActivities::record_deliveries;
    let inputs: Vec<_> = inputs.collect();
    let recorded = if inputs.len() > persistence::FLOOD {
        persistence::run_readonly_apart(ctx, step, inputs).await
    } else {
        persistence::run_readonly(ctx, step, inputs).await
    };
    let RecordedBatch {
        transactions,
        of_another_order,
        refuted,
    } = recorded;
    for refutation in refuted {
        payment_events::hand_to_settlement(ctx, refutation, false, None).await;
    }
    // All transactions are noted with the first event, so that each audit event follows the change of
    // the ledger.
    let mut noted = Some(transactions);
    for (index, (queued, outcome)) in decided.into_iter().enumerate() {
        let event = queued.event;
        if of_another_order.contains(&index) {
            payment_events::hand_to_settlement(ctx, event, false, None).await;
            continue;
        }
        let noted = noted.take().unwrap_or_default();
        payment_events::apply_batched_event(ctx, &event, outcome, noted).await;
    }
}

/// Records a refused confirmation for the work list, because the customer may have paid.
pub(super) async fn record_own_report(ctx: &Context, event: PaymentEvent) {
    let received = ReceivePaymentEventInput {
        event: event.clone(),
        again: false,
    };
    let step = SettlementActivities::receive_delivery;
    if persistence::run_readonly(ctx, step, received)
        .await
        .is_some()
    {
        // A repeated confirmation must not open an entry that an operator has closed.
        return;
    }
    let recorded = RecordPaymentEventInput {
        event,
        outcome: WebhookOutcome::Unconfirmed,
        detail: None,
        settled: true,
    };
    persistence::run_readonly(ctx, SettlementActivities::record_delivery, recorded).await;
}

/// Refunds money that arrived and is not needed, while the order runs. A provider that is down does
/// not delay the events of other payments.
pub(super) async fn refund_unneeded_money(ctx: &Context) -> Infallible {
    loop {
        let must_refund = |order: &OrderWorkflow| order.payment_events.must_refund;
        // A wait that is detached from cancellation cannot fail.
        let _ = ctx
            .wait_condition_with_options(must_refund, waiting::detached_wait())
            .await;
        ctx.state_mut(|order| {
            order.payment_events.must_refund = false;
            order.payment_events.is_refunding = true;
        });
        if ctx.state(OrderWorkflow::is_stopped) {
            Box::pin(refund_transactions(ctx)).await;
        } else if ctx.state(OrderWorkflow::is_paid) {
            Box::pin(refund_excess(ctx)).await;
        }
        ctx.state_mut(|order| order.payment_events.is_refunding = false);
    }
}

impl OrderWorkflow {
    /// Requests the refund of money that arrived and is not needed.
    pub(super) fn request_refund(&mut self) {
        self.payment_events.must_refund = true;
    }
}
