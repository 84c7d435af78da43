//! The payments of an order: its transactions as the ledger has them, and the phase of the payment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::OrderWorkflow;
use contract::{PaymentConfirmation, ReportedPayment, RequestOrigin, UpdateOutcome};
use domain::{
    Balance, CaptureMode, Concern, EXTERNAL, HoldOnDispute, Movement, Order, PaymentEvent,
    PaymentEventKind, PaymentId, PaymentInfo, PaymentStatus, Transaction, TransactionId,
    WaitReason, WebhookProvider,
};

const STRIPE: &str = WebhookProvider::Stripe.as_str();

/// The phase of an order's payment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) enum PaymentPhase {
    /// The order has not reached the payment step.
    #[default]
    NotStarted,
    /// Our charge is in progress.
    Charging,
    /// The order waits for money.
    Awaiting(AwaitedPayment),
    /// The money reached the total.
    Covered,
}

/// The wait for money.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AwaitedPayment {
    /// The begin of the wait.
    pub(super) requested: DateTime<Utc>,
    /// The transaction of our charge that needs an action of the customer. Only this transaction
    /// pays the order.
    pub(super) unfinished: Option<TransactionId>,
    /// The reason why the provider declined our charge.
    pub(super) declined: Option<String>,
    /// Whether the provider processes a slow payment, which extends the time-out.
    pub(super) processing: bool,
}

/// A payment that the order has accepted and not recorded yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AcceptedPayment {
    pub(super) confirmation: PaymentConfirmation,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) event: Option<Box<PaymentEvent>>,
    /// The origin of a confirmation by API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<RequestOrigin>,
}

/// The outcome of an accepted payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum ConfirmationOutcome {
    Recorded,
    Refused(UpdateOutcome),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Payments {
    pub(super) phase: PaymentPhase,
    /// Oldest first.
    pub(super) accepted: VecDeque<AcceptedPayment>,
    pub(super) outcomes: BTreeMap<TransactionId, ConfirmationOutcome>,
    /// Transactions that paid the order and were cancelled by a request. A repeated confirmation of
    /// one of them is not a new payment.
    pub(super) cancelled: Vec<TransactionId>,
    /// Whether the rest of an authorisation that is captured in part still counts before dispatch, as
    /// in orders of earlier releases.
    counts_rest: bool,
    /// Oldest first.
    transactions: Vec<Transaction>,
    /// Whether a request has cancelled the payment of the held order.
    pub(super) is_cancel_requested: bool,
    /// Whether an accepted payment is being recorded.
    pub(super) is_recording: bool,
    /// Whether an excess is being refunded.
    pub(super) is_refunding_excess: bool,
    /// Warnings that a reviewer has accepted.
    released_concerns: BTreeSet<Concern>,
    /// Missing money, in minor units, that a reviewer has accepted.
    released_shortage: i64,
}

/// The reasons why an order must not be dispatched without a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Hold {
    /// The money that is missing, in minor units.
    #[serde(skip)]
    pub(super) shortage: i64,
    pub(super) concerns: BTreeSet<Concern>,
}

impl Payments {
    /// Begins without a payment. `rules` is [`OrderInput::receipt`](crate::OrderInput::receipt).
    pub(super) fn with_rules(rules: u32) -> Self {
        Self {
            counts_rest: rules < 3,
            ..Self::default()
        }
    }

    pub(super) fn awaited(&self) -> Option<&AwaitedPayment> {
        match &self.phase {
            PaymentPhase::Awaiting(awaited) => Some(awaited),
            PaymentPhase::NotStarted | PaymentPhase::Charging | PaymentPhase::Covered => None,
        }
    }

    pub(super) fn awaited_mut(&mut self) -> Option<&mut AwaitedPayment> {
        match &mut self.phase {
            PaymentPhase::Awaiting(awaited) => Some(awaited),
            PaymentPhase::NotStarted | PaymentPhase::Charging | PaymentPhase::Covered => None,
        }
    }

    pub(super) fn unfinished(&self) -> Option<&TransactionId> {
        self.awaited()?.unfinished.as_ref()
    }

    pub(super) fn accepts(&self, id: &TransactionId) -> bool {
        self.find_accepted(id).is_some()
    }

    pub(super) fn find_accepted(&self, id: &TransactionId) -> Option<&AcceptedPayment> {
        self.accepted
            .iter()
            .find(|accepted| accepted.confirmation.transaction_id == *id)
    }

    /// Returns the payment that a refused confirmation of this transaction reports.
    pub(super) fn reported(&self, id: &TransactionId, is_stopped: bool) -> ReportedPayment {
        match self.find(id) {
            Some(transaction) => ReportedPayment::of(transaction, is_stopped),
            None if self.accepts(id) && is_stopped => ReportedPayment::Refunding,
            None if self.accepts(id) => ReportedPayment::Taken,
            None => ReportedPayment::NotTaken,
        }
    }

    pub(super) fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    pub(super) fn find(&self, id: &TransactionId) -> Option<&Transaction> {
        self.transactions
            .iter()
            .find(|transaction| transaction.is_called(id))
    }

    /// Returns whether the event can be about the money of a session that the order has, and whose
    /// intent is unknown.
    pub(super) fn may_join_session(&self, event: &PaymentEvent) -> bool {
        let PaymentEventKind::Paid { amount, .. } = &event.kind else {
            return false;
        };
        let of_stripe = |provider: &str| [EXTERNAL, STRIPE].contains(&provider);
        let recorded = self.transactions.iter().any(|transaction| {
            let own = transaction.transaction_id.as_ref();
            transaction.balance.captured == amount.minor()
                && transaction.currency == amount.currency()
                && of_stripe(&transaction.provider)
                && own.is_some_and(TransactionId::is_stripe_session)
                && !transaction.ids().any(TransactionId::is_stripe_intent)
        });
        let accepted = self.accepted.iter().any(|accepted| {
            let confirmation = &accepted.confirmation;
            let event = accepted.event.as_ref();
            accepted.amount == amount.minor()
                && confirmation
                    .provider
                    .is_none_or(|of| of == WebhookProvider::Stripe)
                && confirmation.transaction_id.is_stripe_session()
                && !event.is_some_and(|event| event.ids().any(TransactionId::is_stripe_intent))
        });
        let own = event.transaction_id.as_ref();
        event.provider == WebhookProvider::Stripe
            && own.is_some_and(TransactionId::is_stripe_intent)
            && self.find_by_event(event).is_none()
            && (recorded || accepted)
    }

    /// Returns the transaction of the event. A transaction with another intent, or a claim of a caller
    /// in another currency, is another payment.
    pub(super) fn find_by_event(&self, event: &PaymentEvent) -> Option<&Transaction> {
        let intent = event.ids().find(|id| id.is_stripe_intent());
        let is_other = |transaction: &Transaction| {
            let own = transaction.transaction_id.as_ref();
            let own = own.filter(|id| id.is_stripe_intent());
            let is_claim = transaction.provider == EXTERNAL;
            own.zip(intent).is_some_and(|(own, other)| own != other)
                || is_claim
                    && event
                        .offered_money()
                        .is_some_and(|(money, _)| money.currency() != transaction.currency)
        };
        event
            .ids()
            .find_map(|id| self.find(id))
            .filter(|transaction| !is_other(transaction))
    }

    pub(super) fn find_by_payment_id(&self, payment_id: &PaymentId) -> Option<&Transaction> {
        self.transactions
            .iter()
            .find(|transaction| transaction.payment_id == *payment_id)
    }

    /// Takes the ledger's copy of a transaction, unless the known copy is newer.
    fn note(&mut self, noted: Transaction) {
        self.transactions
            .retain(|known| !noted.joined.contains(&known.payment_id));
        let known = self
            .transactions
            .iter_mut()
            .find(|transaction| transaction.payment_id == noted.payment_id);
        match known {
            Some(known) if known.version > noted.version => {}
            Some(known) => *known = noted,
            None => self.transactions.push(noted),
        }
    }

    /// Marks all money for refund, until the ledger's copies say the same.
    pub(super) fn cancel_all(&mut self) {
        for transaction in &mut self.transactions {
            transaction.balance.refund_all = true;
            transaction.balance.due = transaction.balance.rest();
            self.cancelled.extend(transaction.transaction_id.clone());
        }
    }

    /// The money that pays the order, in minor units.
    fn secured(&self, order: &Order, capture: CaptureMode) -> i64 {
        self.transactions
            .iter()
            .filter(|transaction| transaction.currency == order.currency)
            .map(|transaction| {
                let balance = &transaction.balance;
                match capture {
                    CaptureMode::Immediate => balance.paying(),
                    // The rest of an authorisation that is captured in part is not certain.
                    CaptureMode::OnDispatch if balance.captured > 0 && !self.counts_rest => {
                        balance.paying()
                    }
                    CaptureMode::OnDispatch => balance.paying() + balance.capturable(),
                }
            })
            .sum()
    }

    /// The captured money that pays the order, in minor units.
    fn captured(&self, order: &Order) -> i64 {
        self.secured(order, CaptureMode::Immediate)
    }

    /// Returns whether the shop has refunded a part of the order's money.
    pub(super) fn is_refunded_in_part(&self) -> bool {
        let mut transactions = self.transactions.iter();
        transactions.any(|transaction| transaction.balance.granted > 0)
    }

    fn accepted_sum(&self) -> i64 {
        self.accepted.iter().map(|accepted| accepted.amount).sum()
    }
}

impl OrderWorkflow {
    /// Returns the money that is missing to the total, in minor units, before accepted payments are
    /// recorded. Negative if there is more than the total.
    pub(super) fn missing_money(&self, order: &Order) -> i64 {
        order.total.minor()
            - self.payments.secured(order, self.policy.capture)
            - self.payments.accepted_sum()
    }

    /// Returns the missing money of an order that was paid before, in minor units, if another payment
    /// can replace it: the order is not dispatched and no reviewer has accepted the lack, or money of
    /// the dispatched order was lost. A refund that the shop made after the dispatch is not missing.
    pub(super) fn replaceable_money(&self) -> i64 {
        let payments = &self.payments;
        let Some(order) = self.state.order.as_ref() else {
            return 0;
        };
        if payments.phase != PaymentPhase::Covered || self.is_stopped() {
            return 0;
        }
        let accepted = payments.accepted_sum();
        if self.state.status().is_dispatched() {
            let owed = payments
                .transactions
                .iter()
                .map(|transaction| transaction.balance.owed())
                .sum::<i64>();
            let missing = order.total.minor() - payments.captured(order) - accepted;
            return missing.min(owed - accepted).max(0);
        }
        let missing = self.missing_money(order);
        if missing > payments.released_shortage {
            missing
        } else {
            0
        }
    }

    /// Returns whether nothing is to be paid.
    pub(super) fn is_free(&self) -> bool {
        self.state.order.as_ref().is_some_and(Order::is_free)
    }

    /// Returns whether the recorded money reaches the total.
    pub(super) fn is_covered(&self) -> bool {
        self.state.order.as_ref().is_some_and(|order| {
            self.payments.secured(order, self.policy.capture) >= order.total.minor()
        })
    }

    /// Returns whether the money reached the total and still does.
    pub(super) fn is_paid(&self) -> bool {
        self.payments.phase == PaymentPhase::Covered && self.is_covered()
    }

    /// Returns the captured money above the total, in minor units, and the newest transaction that
    /// has it.
    pub(super) fn find_excess(&self) -> Option<(i64, &Transaction)> {
        let order = self.state.order.as_ref()?;
        let excess = self.payments.captured(order) - order.total.minor();
        if excess <= 0 {
            return None;
        }
        let newest = self
            .payments
            .transactions
            .iter()
            .rev()
            .find(|transaction| {
                transaction.currency == order.currency && transaction.balance.available() > 0
            })?;
        Some((excess.min(newest.balance.available()), newest))
    }

    /// Returns whether all money of the order is gone and none can follow without a new payment.
    pub(super) fn is_payment_lost(&self) -> bool {
        let transactions = &self.payments.transactions;
        !transactions.is_empty()
            && transactions.iter().all(|transaction| {
                let balance = &transaction.balance;
                // An operator can repeat a refused capture.
                let can_follow = balance.concerns.contains_key(&Concern::CaptureRefused);
                balance.available() == 0 && balance.capturable() == 0 && !can_follow
            })
    }

    /// Returns the reasons to hold a paid order before its dispatch.
    pub(super) fn find_hold(&self) -> Option<Hold> {
        let order = self.state.order.as_ref()?;
        if self.payments.phase != PaymentPhase::Covered || self.state.status().is_dispatched() {
            return None;
        }
        let secured = self.payments.secured(order, self.policy.capture);
        let shortage = (order.total.minor() - secured).max(0);
        let concerns: BTreeSet<Concern> = self
            .payments
            .transactions
            .iter()
            .filter(|_| self.policy.hold_on_dispute == HoldOnDispute::On)
            .flat_map(|transaction| transaction.balance.concerns.keys())
            .filter(|concern| {
                matches!(
                    concern,
                    Concern::DisputeOpen | Concern::FraudWarning | Concern::ReviewOpen
                )
            })
            .copied()
            .collect();
        let is_new = shortage > self.payments.released_shortage
            || !concerns.is_subset(&self.payments.released_concerns);
        is_new.then_some(Hold { shortage, concerns })
    }

    /// Returns whether the order waits for a decision about its payment, and no parcel is on its way.
    pub(super) fn is_held(&self) -> bool {
        self.shipping.is_none() && self.find_hold().is_some() && !self.is_stopped()
    }

    /// Lets a held order go on: a reviewer has accepted the reasons.
    pub(super) fn release_hold(&mut self, hold: Hold) {
        self.payments.released_shortage = hold.shortage;
        self.payments.released_concerns.extend(hold.concerns);
    }

    /// Takes the ledger's copy of a transaction and updates the payment that callers see.
    pub(super) fn note_transaction(&mut self, transaction: Transaction, now: DateTime<Utc>) {
        self.payments.note(transaction);
        self.refresh_payment_info(now);
    }

    /// Notes a payment that an earlier release recorded, or that has no ledger entry yet.
    pub(super) fn note_status(&mut self, status: PaymentStatus, now: DateTime<Utc>) {
        let Some((payment, order)) = self.state.payment.as_ref().zip(self.state.order.as_ref())
        else {
            return;
        };
        let mut balance = Balance::of(&Movement::explaining(status, order.total.minor()));
        balance.refund_all = status.is_refunded_or_due();
        let transaction = Transaction {
            payment_id: payment.payment_id.clone(),
            transaction_id: payment.transaction_id.clone(),
            aliases: Vec::new(),
            joined: Vec::new(),
            provider: String::new(),
            currency: order.currency,
            amount: order.total.minor(),
            payment_method: payment.payment_method.clone(),
            balance,
            version: 0,
            created_at: None,
        };
        self.note_transaction(transaction, now);
    }

    pub(super) fn refresh_payment_info(&mut self, now: DateTime<Utc>) {
        let Some(order) = &self.state.order else {
            return;
        };
        let transactions = &self.payments.transactions;
        let Some(mut info) = PaymentInfo::of_transactions(transactions, order.total, now) else {
            return;
        };
        let is_part = self.payments.awaited().is_some() && !self.is_covered();
        // A part of the total is not a payment yet.
        if info.status == PaymentStatus::Captured && is_part {
            info.status = PaymentStatus::Pending;
        }
        let is_same = self.state.payment.as_ref().is_some_and(|known| {
            PaymentInfo {
                timestamp: now,
                ..known.clone()
            } == info
        });
        if !is_same {
            self.state.payment = Some(info);
        }
        let total = order.total.minor();
        let is_part = self.payments.awaited().is_some() && self.missing_money(order) < total;
        if let Some(waiting) = &mut self.state.waiting_for
            && is_part
            && waiting.reason == WaitReason::Payment
        {
            waiting.reason = WaitReason::PaymentRest;
        }
    }

    /// Returns the transactions to refund when the order stops, newest first. `voids`: whether an
    /// authorisation of a cancelled payment is one of them.
    pub(super) fn transactions_to_refund(&self, voids: bool) -> Vec<PaymentId> {
        let needs_refund = |transaction: &&Transaction| {
            let balance = &transaction.balance;
            let is_over = balance.ended && balance.captured == 0;
            let is_authorisation = balance.captured == 0 && balance.authorised > 0;
            (!balance.refund_all && !is_over)
                || (balance.due > 0 && !balance.by_hand)
                || (voids && is_authorisation && !is_over && !balance.by_hand)
        };
        self.payments
            .transactions
            .iter()
            .rev()
            .filter(needs_refund)
            .map(|transaction| transaction.payment_id.clone())
            .collect()
    }

    /// Returns whether the order has money that it does not need.
    pub(super) fn has_unneeded_money(&self) -> bool {
        if self.is_stopped() {
            !self.transactions_to_refund(false).is_empty()
        } else {
            self.find_excess().is_some()
        }
    }

    /// Returns the charge that has no entry in the ledger yet, because its response is missing.
    pub(super) fn unclear_charge(&self) -> Option<PaymentId> {
        let payment_id = &self.state.payment.as_ref()?.payment_id;
        let is_known = self.payments.find_by_payment_id(payment_id).is_some();
        (!is_known).then(|| payment_id.clone())
    }
}
