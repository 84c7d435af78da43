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
    OrderWorkflow, current_time,
    decisions::AcceptanceRules,
    payment_record::{record_replacements, replaceable_money},
    payments::{ConfirmationOutcome, PaymentPhase},
    persistence,
    refund::{refund_excess, refund_transactions},
    request_name, requests, waiting,
};
use crate::{
    Message, PaymentEventSignal, SettlementWorkflow, UnmatchedPaymentSignal,
    activity::{
        ReceivePaymentEventInput, RecordPaymentEventInput, RecordedEvent, SettlementActivities,
    },
    patches, policies,
};
use contract::{
    Cancellation, PaymentConfirmation, RequestOrigin, UpdateOutcome, settlement_workflow_id,
};
use domain::{
    AuditEventType, PartialPayments, PaymentEvent, PaymentEventKind, PaymentInfo, PaymentStatus,
    Span, Transaction, WebhookOutcome, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// The decision about a payment event.
pub(super) enum EventDecision {
    Done(WebhookOutcome),
    /// The order accepts the payment. Recording it may still fail.
    Accepted,
    /// The order cannot use the payment.
    Unmatched,
}

/// The rules of the release in which the order received the event.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventRules {
    /// False in a replay of an order that received the event before the ledger existed.
    pub(super) ledger: bool,
    pub(super) acceptance: AcceptanceRules,
}

/// Processes an event once, even when it is sent repeatedly. An order of this release puts it into
/// its queue; the rest is for orders of earlier releases.
pub(super) async fn handle_payment_event(ctx: &Context, message: Message<PaymentEventSignal>) {
    let (mut event, grace) = match message {
        Message::Valid(signal) => (signal.event, signal.grace),
        Message::Malformed(reason) => {
            requests::refuse_malformed(ctx, request_name::PAYMENT_EVENT, reason);
            return;
        }
    };
    // The sender may have found the order by the transaction only.
    event.order_id = Some(ctx.state(|order| order.state.order_id.clone()));
    if ctx.state(OrderWorkflow::is_bounded) {
        return ctx.state_mut(|order| order.payment_events.push(event, grace));
    }
    if !ctx.state_mut(|order| {
        order
            .seen_event_ids
            .insert((event.provider, event.event_id.clone()))
    }) {
        return;
    }
    requests::wait_until_validated(ctx).await;
    let ledger = ctx.patched(patches::ONE_LEDGER);
    let may_join =
        |order: &OrderWorkflow| order.state.is_running() && order.payments.may_join_session(&event);
    if ledger && ctx.state(may_join) && ctx.patched(patches::JOIN_SESSION) {
        // The settlement reads the session from the ledger.
        let recorded = |order: &OrderWorkflow| order.payments.accepted.is_empty();
        let _ = ctx
            .wait_condition_with_options(recorded, waiting::detached_wait())
            .await;
        return hand_to_settlement(ctx, event, true, grace).await;
    }
    // A capture with an id is a part of its transaction, and the other parts can follow.
    let is_part = |order: &OrderWorkflow| {
        order.policy.partial_payments == PartialPayments::Refund && event.is_part()
    };
    let takes_part = ledger && ctx.state(is_part) && ctx.patched(patches::WAIT_FOR_CAPTURES);
    let acceptance = AcceptanceRules {
        takes_part,
        replaceable: match event.offered_money() {
            Some(_) if ledger => replaceable_money(ctx),
            _ => 0,
        },
    };
    let rules = EventRules { ledger, acceptance };
    let now = current_time(ctx);
    let outcome = match ctx.state_mut(|order| order.decide_payment_event(&event, rules, now)) {
        EventDecision::Done(outcome) => outcome,
        EventDecision::Accepted => {
            // The payment is recorded at the payment step. Until then operators see the received
            // event.
            if ctx.state(|order| order.payments.awaited().is_none()) {
                let received = ReceivePaymentEventInput {
                    event: event.clone(),
                    again: false,
                };
                persistence::run_readonly(ctx, SettlementActivities::receive_delivery, received)
                    .await;
            }
            record_replacements(ctx).await;
            match wait_until_recorded(ctx, &event, ledger).await {
                Some(outcome) => outcome,
                None => return hand_to_settlement(ctx, event, true, grace).await,
            }
        }
        EventDecision::Unmatched => return hand_to_settlement(ctx, event, true, grace).await,
    };
    let processed = RecordPaymentEventInput {
        event: event.clone(),
        outcome,
        detail: None,
        settled: false,
    };
    let recorded = persistence::run_readonly(ctx, SettlementActivities::record_delivery, processed);
    match recorded.await {
        RecordedEvent::Recorded {
            is_of_another_order: true,
            ..
        } => hand_to_settlement(ctx, event, false, None).await,
        // Another payment has the ids of one that the order knows.
        RecordedEvent::Recorded {
            is_second_payment: true,
            ..
        } if event.offered_money().is_some() => hand_to_settlement(ctx, event, true, grace).await,
        RecordedEvent::Recorded {
            transaction,
            refuted,
            ..
        } => {
            for refutation in refuted {
                hand_to_settlement(ctx, refutation, false, None).await;
            }
            apply_recorded_event(ctx, &event, outcome, transaction).await;
        }
        // The payment's row now contains the refund, so no compensation refunds the payment again.
        RecordedEvent::Status(Some(status)) => {
            ctx.state_mut(|order| order.apply_provider_status(&event, status, current_time(ctx)));
        }
        RecordedEvent::Status(None) => {}
    }
}

/// Applies the state of the ledger after the event, and writes the event to the audit log.
async fn apply_recorded_event(
    ctx: &Context,
    event: &PaymentEvent,
    outcome: WebhookOutcome,
    transaction: Option<Box<Transaction>>,
) {
    let now = current_time(ctx);
    let adds_only_ids = ctx.state(|order| {
        let noted = transaction.as_ref()?;
        let known = order.payments.find_by_payment_id(&noted.payment_id)?;
        Some(adds_only_ids(known, noted))
    });
    let is_silent = outcome == WebhookOutcome::Known
        && adds_only_ids == Some(true)
        && ctx.patched(patches::JOIN_SESSION);
    let noted = transaction.map(|noted| *noted).into_iter().collect();
    let applied =
        ctx.state_mut(|order| order.apply_ledger(event, (outcome, is_silent), noted, now));
    match applied {
        AppliedEvent::Ended => hand_to_settlement(ctx, event.clone(), true, None).await,
        // Money can arrive after the compensation.
        AppliedEvent::Stopped => refund_transactions(ctx).await,
        AppliedEvent::Paid => refund_excess(ctx).await,
        AppliedEvent::Done => {}
    }
}

/// Applies an event of a batch. `noted` is the state of the ledger after the whole batch.
pub(super) async fn apply_batched_event(
    ctx: &Context,
    event: &PaymentEvent,
    outcome: WebhookOutcome,
    noted: Vec<Transaction>,
) {
    let now = current_time(ctx);
    let applied = ctx.state_mut(|order| {
        let is_silent = noted.iter().any(|noted| {
            let known = order.payments.find_by_payment_id(&noted.payment_id);
            known.is_some_and(|known| adds_only_ids(known, noted))
        });
        let applied = order.apply_ledger(event, (outcome, is_silent), noted, now);
        if matches!(applied, AppliedEvent::Stopped | AppliedEvent::Paid) {
            order.request_refund();
        }
        applied
    });
    if applied == AppliedEvent::Ended {
        hand_to_settlement(ctx, event.clone(), true, None).await;
    }
}

fn adds_only_ids(known: &Transaction, noted: &Transaction) -> bool {
    let ids = |of: &Transaction| (of.transaction_id.clone(), of.aliases.clone());
    known.balance.captured == noted.balance.captured && ids(known) != ids(noted)
}

/// The state of the order after an event, which decides about the order's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AppliedEvent {
    /// The order has ended meanwhile. Only settlements change the audit log of an ended order.
    Ended,
    Stopped,
    Paid,
    Done,
}

/// Waits until the accepted payment is recorded. A stopped order also records and refunds it.
/// Returns `None` if the order refused the payment and a settlement must refund it.
async fn wait_until_recorded(
    ctx: &Context,
    event: &PaymentEvent,
    ledger: bool,
) -> Option<WebhookOutcome> {
    let id = event.transaction_id.clone();
    let known = move |order: &OrderWorkflow| {
        let is_recorded = id
            .as_ref()
            .is_none_or(|id| order.payments.outcomes.contains_key(id));
        is_recorded || order.is_stopped()
    };
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(known, waiting::detached_wait())
        .await;
    let outcome = ctx.state(|order| {
        let id = event.transaction_id.as_ref()?;
        order.payments.outcomes.get(id).cloned()
    });
    match outcome {
        Some(ConfirmationOutcome::Refused(_)) if ledger => None,
        // The transaction is used for another order, which has the money.
        Some(ConfirmationOutcome::Refused(_)) => Some(WebhookOutcome::Refused),
        Some(ConfirmationOutcome::Recorded) | None => Some(WebhookOutcome::Applied),
    }
}

/// Passes the event on to a settlement, which outlives the order.
///
/// `declined`: the order cannot use the payment. Otherwise the settlement finds the event's order.
pub(super) async fn hand_to_settlement(
    ctx: &Context,
    event: PaymentEvent,
    declined: bool,
    grace: Option<Span>,
) {
    let workflow_id = settlement_workflow_id(&event);
    let signal = PaymentEventSignal {
        declined,
        grace,
        ..PaymentEventSignal::new(event)
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
pub(super) fn cancellation_for_lost_payment(provider: Option<WebhookProvider>) -> Cancellation {
    let provider = provider.map_or("the provider", WebhookProvider::as_str);
    Cancellation {
        reason: Some(format!(
            "{provider} reported that the payment was refunded or declined"
        )),
        public_reason: Some("the payment was refunded or declined".to_owned()),
    }
}

impl OrderWorkflow {
    /// Decides about an event.
    pub(super) fn decide_payment_event(
        &mut self,
        event: &PaymentEvent,
        rules: EventRules,
        now: DateTime<Utc>,
    ) -> EventDecision {
        let origin = RequestOrigin::of_payment_event(event);
        self.caused_by(origin, |order| order.decide_event(event, rules, now))
    }

    fn decide_event(
        &mut self,
        event: &PaymentEvent,
        rules: EventRules,
        now: DateTime<Utc>,
    ) -> EventDecision {
        let ledger = rules.ledger;
        // The order's last audit event is being written. This event arrives after the order's end.
        if !self.state.is_running() {
            return EventDecision::Unmatched;
        }
        match &event.kind {
            PaymentEventKind::Paid { .. } | PaymentEventKind::Authorised { .. } => {
                return self.decide_offered_payment(event, rules, now);
            }
            PaymentEventKind::Voided { reason } => {
                let unfinished = self.payments.unfinished();
                // Only our own charge decides about the order. The end of any other attempt does
                // not.
                let is_decisive = if ledger {
                    unfinished.is_some() && unfinished == event.transaction_id.as_ref()
                } else {
                    unfinished.is_none() || unfinished == event.transaction_id.as_ref()
                };
                let is_free = self.payments.accepted.is_empty();
                if let Some(awaited) = self
                    .payments
                    .awaited_mut()
                    .filter(|_| is_decisive && is_free)
                {
                    awaited.declined = Some(reason.clone());
                    return EventDecision::Done(WebhookOutcome::Applied);
                }
            }
            // The provider reports our own refund.
            PaymentEventKind::Refunded { .. } if self.is_refund_expected(event, ledger) => {
                return EventDecision::Done(WebhookOutcome::Known);
            }
            PaymentEventKind::Processing if ledger => {
                if let Some(awaited) = self.payments.awaited_mut() {
                    awaited.processing = true;
                }
            }
            PaymentEventKind::Disputed { stage, .. } if !ledger => {
                if let Some(own) = self.own_payment(event) {
                    own.dispute = Some(*stage);
                }
            }
            PaymentEventKind::AttemptFailed { .. }
            | PaymentEventKind::CaptureFailed { .. }
            | PaymentEventKind::Processing
            | PaymentEventKind::Refunded { .. }
            | PaymentEventKind::RefundFailed { .. }
            | PaymentEventKind::Returned { .. }
            | PaymentEventKind::Disputed { .. }
            | PaymentEventKind::Warning { .. }
            | PaymentEventKind::CompletedUnpaid { .. }
            | PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. }
            | PaymentEventKind::ReportRefused { .. }
            | PaymentEventKind::Resolved { .. } => {}
        }
        // With a ledger, the audit event follows the change of the ledger, so that one number of
        // the audit log has one state.
        if !ledger && let Some((kind, payload)) = event.audit_entry() {
            self.append_audit_event(kind, payload, now);
        }
        EventDecision::Done(WebhookOutcome::Recorded)
    }

    fn is_refund_expected(&self, event: &PaymentEvent, ledger: bool) -> bool {
        match self.payments.find_by_event(event) {
            Some(transaction) if ledger => {
                transaction.balance.due > 0
                    || transaction.balance.status(true) == PaymentStatus::Refunded
            }
            _ => self.state.payment.as_ref().is_some_and(|payment| {
                self.is_about(event, payment) && payment.status.is_refunded_or_due()
            }),
        }
    }

    fn decide_offered_payment(
        &mut self,
        event: &PaymentEvent,
        rules: EventRules,
        now: DateTime<Utc>,
    ) -> EventDecision {
        let EventRules { ledger, acceptance } = rules;
        let (Some(transaction_id), Some((amount, payment_method))) =
            (event.transaction_id.clone(), event.offered_money())
        else {
            return EventDecision::Done(WebhookOutcome::Unreadable);
        };
        // A report about our own charge is not a second payment, except when the charge waits for
        // it.
        if self.payments.unfinished() != Some(&transaction_id) && self.is_known(event, ledger) {
            return EventDecision::Done(WebhookOutcome::Known);
        }
        let confirmation = PaymentConfirmation {
            transaction_id,
            amount: amount.decimal(),
            currency: Some(amount.currency().to_string()),
            payment_method: payment_method.map(str::to_owned),
            provider: Some(event.provider),
        };
        let reported = ledger.then_some(event);
        match self.decide_payment_confirmation(confirmation, reported, acceptance, now) {
            None => EventDecision::Accepted,
            Some(UpdateOutcome::Done { .. }) => EventDecision::Done(WebhookOutcome::Known),
            Some(UpdateOutcome::Refused { .. } | UpdateOutcome::Undecided { .. }) => {
                EventDecision::Unmatched
            }
        }
    }

    /// Returns the audit event of a later capture. Customers get a mail about `payment_captured`, so
    /// a part of the total has another type.
    fn capture_entry(
        &self,
        event: &PaymentEvent,
        captured: (AuditEventType, serde_json::Value),
    ) -> (AuditEventType, serde_json::Value) {
        let part = self
            .state
            .order
            .as_ref()
            .filter(|_| self.payments.awaited().is_some() && !self.is_covered())
            .zip(event.transaction_id.as_ref())
            .zip(event.offered_money());
        match part {
            Some(((order, transaction_id), (amount, _))) => {
                self.part_entry(transaction_id, amount.decimal(), order)
            }
            None => captured,
        }
    }

    /// Returns whether the event is about money that the order has or is charging.
    fn is_known(&self, event: &PaymentEvent, ledger: bool) -> bool {
        if !ledger {
            let payment = self.state.payment.as_ref();
            return payment.is_some_and(|payment| self.is_about(event, payment));
        }
        let is_own_charge = self.payments.phase == PaymentPhase::Charging
            && event.payment_id.is_some()
            && event.payment_id
                == self
                    .state
                    .payment
                    .as_ref()
                    .map(|own| own.payment_id.clone());
        is_own_charge || self.payments.find_by_event(event).is_some()
    }

    fn is_about(&self, event: &PaymentEvent, payment: &PaymentInfo) -> bool {
        event.payment_id.as_ref() == Some(&payment.payment_id)
            || event.transaction_id.is_some() && event.transaction_id == payment.transaction_id
    }

    /// Returns the order's payment if the event is about this payment.
    fn own_payment(&mut self, event: &PaymentEvent) -> Option<&mut PaymentInfo> {
        let payment = self.state.payment.as_ref()?;
        if !self.is_about(event, payment) {
            return None;
        }
        self.state.payment.as_mut()
    }

    /// Notes the state of the ledger, writes the event to the audit log, and stops or holds the order
    /// if necessary. A silent event is one that adds only ids to a known payment.
    fn apply_ledger(
        &mut self,
        event: &PaymentEvent,
        (outcome, is_silent): (WebhookOutcome, bool),
        noted: Vec<Transaction>,
        now: DateTime<Utc>,
    ) -> AppliedEvent {
        let before = self.state.payment.clone();
        for transaction in noted {
            self.note_transaction(transaction, now);
        }
        let entry = if outcome != WebhookOutcome::Known {
            event.audit_entry()
        } else if self.state.payment != before && !is_silent {
            // A later capture of a known payment: one number of the audit log has one state.
            event
                .capture_entry()
                .map(|captured| self.capture_entry(event, captured))
        } else {
            None
        };
        if !self.state.is_running() {
            return if entry.is_some() || self.has_unneeded_money() {
                AppliedEvent::Ended
            } else {
                AppliedEvent::Done
            };
        }
        self.caused_by(RequestOrigin::of_payment_event(event), |order| {
            if let Some((kind, payload)) = entry {
                order.append_audit_event(kind, payload, now);
            }
            order.react_to_ledger(event.provider, now);
        });
        if self.is_stopped() {
            AppliedEvent::Stopped
        } else if self.is_paid() {
            AppliedEvent::Paid
        } else {
            AppliedEvent::Done
        }
    }

    /// Stops or holds an order that is no longer paid, or whose payment is under suspicion.
    fn react_to_ledger(&mut self, provider: WebhookProvider, now: DateTime<Utc>) {
        let was_paid = self.payments.phase == PaymentPhase::Covered;
        if !was_paid || self.is_stopped() || self.state.status().is_dispatched() {
            return;
        }
        if !self.is_covered() && self.is_payment_lost() {
            // No caller waits for this outcome; the audit log has it.
            self.decide_cancel(cancellation_for_lost_payment(Some(provider)), now);
        } else if self.find_hold().is_some() {
            self.request_hold();
        }
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
                let cancellation = cancellation_for_lost_payment(Some(event.provider));
                self.decide_cancel(cancellation, now);
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
