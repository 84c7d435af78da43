//! The ledger: the balance of a transaction as the fold of its movements.
//!
//! A *transaction* is money at a provider. A *movement* is one fact about it, reported by an event,
//! a call or an operator. Movements are never changed or removed, and [`Balance::of`] does not
//! depend on their order, so late, repeated and reordered reports have the same result.
//!
//! For every transaction, `captured - refunded - lost = allocated + due + unmatched`. All amounts
//! are minor units of the transaction's currency.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Concern, Currency, DisputeStage, Money, PaymentEvent, PaymentEventKind, PaymentId,
    PaymentStatus, PaymentWarning, TransactionId, status::string_enum,
};

string_enum! {
    /// The kind of a movement; the column `payment_movements.kind`.
    MovementKind {
        /// The provider reserved the money.
        Authorised => "authorised",
        /// The provider reserved the money and captures it without a request.
        AutoCaptured => "auto_captured",
        /// One capture.
        Captured => "captured",
        /// The sum of all captures so far.
        CapturedTotal => "captured_total",
        /// A capture failed permanently.
        CaptureFailed => "capture_failed",
        /// The request for a capture was refused and can be repeated.
        CaptureRefused => "capture_refused",
        /// The provider never captures the rest.
        Voided => "voided",
        /// The money must be paid back until this sum is refunded; without an amount, all of it.
        RefundRequested => "refund_requested",
        /// The amount of one refund that the shop has decided. The reference is the refund's id. It
        /// does not make the order unpaid.
        RefundGranted => "refund_granted",
        /// The provider cannot refund by API, so an operator must.
        RefundByHand => "refund_by_hand",
        /// The provider accepted refunds up to this sum, and reports their result later.
        RefundAccepted => "refund_accepted",
        /// One refund.
        Refunded => "refunded",
        /// The sum of all refunds so far.
        RefundedTotal => "refunded_total",
        /// A refund did not reach the customer. The reference is the refund's.
        RefundFailed => "refund_failed",
        /// Refunded money came back to us. The report does not name the refund.
        RefundReversed => "refund_reversed",
        /// A bank returned the money to the customer.
        Returned => "returned",
        DisputeOpened => "dispute_opened",
        DisputeClosed => "dispute_closed",
        DisputeUndefended => "dispute_undefended",
        DisputeWon => "dispute_won",
        DisputeLost => "dispute_lost",
        FraudWarning => "fraud_warning",
        ReviewOpened => "review_opened",
        ReviewClosed => "review_closed",
        /// An operator closed an entry of the work list. The reference is the concern.
        Resolved => "resolved",
        /// The transaction has the movements of another row, which was the same money. The reference
        /// is the payment id of that row.
        Joined => "joined",
        /// The movements now belong to another row. The reference is its payment id.
        Moved => "moved",
    }
}

/// The reference of a capture that only a caller of the API has reported. The captures that the
/// provider reports replace it.
pub const CLAIMED: &str = "api";

/// One fact about a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    pub kind: MovementKind,
    /// The provider's id of the movement, or the id of the event that reported it. A movement with
    /// the same kind and reference is the same movement.
    pub reference: String,
    /// Minor units; `None` means the whole amount.
    pub amount: Option<i64>,
}

impl Movement {
    pub fn new(kind: MovementKind, reference: impl Into<String>, amount: Option<i64>) -> Self {
        Self {
            kind,
            reference: reference.into(),
            amount,
        }
    }

    /// Returns the movements that explain a payment's status in an earlier release, which recorded
    /// no movements.
    pub fn explaining(status: PaymentStatus, amount: i64) -> Vec<Self> {
        const REFERENCE: &str = "migrated";
        let captured = || Self::new(MovementKind::CapturedTotal, REFERENCE, Some(amount));
        let requested = || Self::new(MovementKind::RefundRequested, REFERENCE, None);
        match status {
            PaymentStatus::Pending => Vec::new(),
            PaymentStatus::Captured => vec![captured()],
            PaymentStatus::Declined => vec![Self::new(MovementKind::Voided, REFERENCE, None)],
            PaymentStatus::Refunding => vec![requested()],
            PaymentStatus::Refunded => vec![
                captured(),
                Self::new(MovementKind::RefundedTotal, REFERENCE, Some(amount)),
            ],
            PaymentStatus::RefundDue => vec![
                captured(),
                requested(),
                Self::new(MovementKind::RefundByHand, REFERENCE, None),
            ],
        }
    }
}

/// The amounts and the state of a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    pub authorised: i64,
    pub captured: i64,
    pub refunded: i64,
    /// Money that a bank or a dispute took back.
    pub lost: i64,
    /// Money that must be paid back.
    pub due: i64,
    /// The sum of the refunds that the provider has accepted. It reports their result later.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accepted: i64,
    /// The part of the refunded and due money that the shop has granted: the order still counts as
    /// paid.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub granted: i64,
    /// Whether an operator must pay the due money back.
    pub by_hand: bool,
    /// Whether a refund of the whole payment was requested.
    pub refund_all: bool,
    /// Whether nothing more can be captured.
    pub ended: bool,
    pub returned: bool,
    pub dispute: Option<DisputeStage>,
    /// The amounts that a person must look at, without the parts that an operator has closed. Money
    /// that is due or unmatched is not included.
    pub concerns: BTreeMap<Concern, i64>,
}

impl Balance {
    /// Folds the movements of one transaction, in any order. A repeated movement counts once.
    pub fn of(movements: &[Movement]) -> Self {
        let facts = Facts::collect(movements);
        if facts.has(MovementKind::Moved) {
            return Self {
                ended: true,
                ..Self::default()
            };
        }
        let authorised = facts
            .largest(MovementKind::Authorised)
            .max(facts.largest(MovementKind::AutoCaptured));
        let voided = facts.has(MovementKind::Voided);
        let captured = facts.captured();
        let refunded = facts.refunded(captured);
        let kept = captured - refunded;
        let disputes = facts.disputes();
        let disputed_away = disputes
            .values()
            .filter(|dispute| dispute.stage.is_lost())
            .map(|dispute| dispute.amount.unwrap_or(kept))
            .fold(0, i64::saturating_add);
        let returned = facts.sum(MovementKind::Returned, kept);
        let lost = returned.saturating_add(disputed_away).clamp(0, kept);
        let rest = kept - lost;
        let refund_all = facts
            .of_kind(MovementKind::RefundRequested)
            .any(|(_, amount)| amount.is_none());
        let target = if refund_all {
            Money::LARGEST
        } else {
            facts.largest(MovementKind::RefundRequested)
        };
        let due = (target - refunded).clamp(0, rest);
        let mut balance = Self {
            authorised,
            captured,
            refunded,
            lost,
            due,
            accepted: facts.largest(MovementKind::RefundAccepted),
            granted: if refund_all {
                0
            } else {
                facts
                    .sum(MovementKind::RefundGranted, 0)
                    .min(refunded.saturating_add(due))
            },
            by_hand: facts.has(MovementKind::RefundByHand)
                || facts.has(MovementKind::RefundFailed)
                || facts.has(MovementKind::RefundReversed),
            refund_all,
            ended: voided || (facts.has(MovementKind::CaptureFailed) && captured == 0),
            returned: facts.has(MovementKind::Returned),
            dispute: disputes.values().map(|dispute| dispute.stage.shown()).max(),
            concerns: BTreeMap::new(),
        };
        balance.concerns = balance.find_concerns(&facts, &disputes);
        balance
    }

    /// Money that is neither refunded nor lost.
    pub fn rest(&self) -> i64 {
        self.captured - self.refunded - self.lost
    }

    /// Captured money that need not be paid back: it pays the order of the transaction, or is
    /// unmatched.
    pub fn available(&self) -> i64 {
        self.rest() - self.due
    }

    /// The captured money that pays the order of the transaction, with the refunds that the shop has
    /// granted.
    pub fn paying(&self) -> i64 {
        self.available().saturating_add(self.granted)
    }

    /// Authorised money that can still be captured.
    pub fn capturable(&self) -> i64 {
        if self.ended || self.refund_all {
            0
        } else {
            (self.authorised - self.captured).max(0)
        }
    }

    /// Returns the money that the customer still owes, because it failed to arrive or was taken back.
    /// An operator's resolution ends the debt. It can exceed what the order needs.
    pub fn owed(&self) -> i64 {
        self.concerns
            .iter()
            .filter(|(concern, _)| {
                concern.is_money_to_collect() || **concern == Concern::DisputeLost
            })
            .map(|(_, amount)| *amount)
            .fold(0, i64::saturating_add)
    }

    /// The value of `payments.status`. `has_order` is false for a transaction of no order.
    pub fn status(&self, has_order: bool) -> PaymentStatus {
        if self.captured == 0 {
            return match (self.ended, self.refund_all) {
                (true, _) => PaymentStatus::Declined,
                // No adapter can void it. If it is captured after all, the money is due.
                (false, true) if self.by_hand => PaymentStatus::Declined,
                (false, true) => PaymentStatus::Refunding,
                (false, false) => PaymentStatus::Pending,
            };
        }
        // A part that is due does not change what the rest pays for.
        if self.due > 0 && self.available() == 0 {
            return if self.by_hand {
                PaymentStatus::RefundDue
            } else {
                PaymentStatus::Refunding
            };
        }
        match self.rest() {
            0 if self.refunded > 0 => PaymentStatus::Refunded,
            0 if self.returned => PaymentStatus::Declined,
            0 => PaymentStatus::Captured,
            _ if has_order => PaymentStatus::Captured,
            _ => PaymentStatus::RefundDue,
        }
    }

    fn find_concerns(
        &self,
        facts: &Facts,
        disputes: &BTreeMap<&str, Dispute>,
    ) -> BTreeMap<Concern, i64> {
        // Captures that failed and were repeated are in the reported sum twice, so an authorisation
        // is the better measure.
        let expected = match self.authorised {
            0 => facts.reported(),
            authorised => authorised,
        };
        let expected = expected.max(facts.claimed());
        let missing = expected - self.captured;
        let amount_of = |dispute: &Dispute| dispute.amount.unwrap_or(self.captured);
        let total = |wanted: fn(Stage) -> bool| {
            disputes
                .values()
                .filter(|dispute| wanted(dispute.stage))
                .map(amount_of)
                .fold(0, i64::saturating_add)
        };
        let open_reviews = facts
            .of_kind(MovementKind::ReviewOpened)
            .filter(|(reference, _)| {
                !facts
                    .of_kind(MovementKind::ReviewClosed)
                    .any(|(closed, _)| closed == *reference)
            })
            .count();
        let rest = self.rest();
        let mut concerns = BTreeMap::new();
        if facts.has(MovementKind::CaptureFailed) {
            concerns.insert(Concern::CaptureFailed, missing);
        } else if self.ended {
            // A refused capture cannot be repeated any more.
            concerns.insert(Concern::AuthorisationEnded, missing);
        } else if facts.has(MovementKind::CaptureRefused) {
            concerns.insert(Concern::CaptureRefused, missing);
        } else if self.captured > 0 {
            concerns.insert(Concern::CaptureShort, missing);
        }
        if self.refund_all && self.by_hand && self.captured == 0 && !self.ended {
            concerns.insert(Concern::AuthorisationOpen, self.authorised);
        }
        if self.returned {
            let returned = facts.sum(MovementKind::Returned, self.captured);
            concerns.insert(Concern::Returned, returned.min(self.captured));
        }
        concerns.insert(Concern::DisputeOpen, total(|stage| stage == Stage::Opened));
        concerns.insert(Concern::DisputeLost, total(Stage::is_lost));
        if facts.has(MovementKind::FraudWarning) {
            concerns.insert(Concern::FraudWarning, rest);
        }
        if open_reviews > 0 {
            concerns.insert(Concern::ReviewOpen, rest + self.capturable());
        }
        // An operator has closed the entry up to an amount. A larger amount is a new entry.
        for (concern, amount) in &mut concerns {
            *amount -= facts.resolved(*concern).min(*amount);
        }
        concerns.retain(|_, amount| *amount > 0);
        concerns
    }
}

/// Money at a provider: one payment of an order, or an unmatched payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    pub payment_id: PaymentId,
    /// The provider's id; `None` before the provider has answered a charge.
    pub transaction_id: Option<TransactionId>,
    /// Other ids of the same payment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<TransactionId>,
    /// The payment ids of other rows that were the same money.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<PaymentId>,
    /// The value of `payments.provider`.
    pub provider: String,
    pub currency: Currency,
    /// The requested or first reported amount, in minor units.
    #[serde(default)]
    pub amount: i64,
    pub payment_method: Option<String>,
    pub balance: Balance,
    /// Increases with each change of the balance.
    pub version: i32,
    /// No request to a provider is older.
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
}

impl Transaction {
    /// Returns all ids of the transaction at its provider.
    pub fn ids(&self) -> impl Iterator<Item = &TransactionId> {
        self.transaction_id.iter().chain(&self.aliases)
    }

    /// Returns whether the transaction has this id at its provider.
    pub fn is_called(&self, id: &TransactionId) -> bool {
        self.ids().any(|own| own == id)
    }
}

fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

/// The state of a dispute. A later value takes precedence, in whichever order the reports arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Opened,
    Undefended,
    Closed,
    Won,
    Lost,
}

impl Stage {
    fn is_lost(self) -> bool {
        matches!(self, Self::Undefended | Self::Lost)
    }

    fn shown(self) -> DisputeStage {
        match self {
            Self::Opened => DisputeStage::Opened,
            Self::Closed => DisputeStage::Closed,
            Self::Won => DisputeStage::Won,
            Self::Undefended | Self::Lost => DisputeStage::Lost,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Dispute {
    round: u8,
    stage: Stage,
    amount: Option<i64>,
}

/// Splits the id of a dispute from the number of its round: `PSP1#2` is the second round of `PSP1`
/// after the first decision, such as an arbitration. An id without a number is the first round.
fn dispute_round(reference: &str) -> (&str, u8) {
    reference
        .rsplit_once('#')
        .and_then(|(id, round)| Some((id, round.parse().ok()?)))
        .unwrap_or((reference, 0))
}

/// The sums of failed captures or refunds.
#[derive(Debug, Default)]
struct Failed {
    any: bool,
    /// Failures that name the movement that failed.
    named: i64,
    /// Failures of movements that were not reported one by one.
    unnamed: i64,
}

/// The movements of one transaction, each once.
struct Facts<'a>(BTreeMap<(MovementKind, &'a str), Option<i64>>);

impl<'a> Facts<'a> {
    fn collect(movements: &'a [Movement]) -> Self {
        let mut facts = BTreeMap::new();
        for movement in movements {
            let key = (movement.kind, movement.reference.as_str());
            let amount = facts.entry(key).or_insert(movement.amount);
            // Two reports of one movement differ: the larger amount counts, in either order.
            *amount = (*amount).max(movement.amount);
        }
        Self(facts)
    }

    fn of_kind(&self, kind: MovementKind) -> impl Iterator<Item = (&'a str, Option<i64>)> {
        self.0
            .iter()
            .filter(move |((of, _), _)| *of == kind)
            .map(|((_, reference), amount)| (*reference, *amount))
    }

    fn has(&self, kind: MovementKind) -> bool {
        self.of_kind(kind).next().is_some()
    }

    fn largest(&self, kind: MovementKind) -> i64 {
        self.of_kind(kind)
            .filter_map(|(_, amount)| amount)
            .max()
            .unwrap_or(0)
    }

    /// Returns the sum of all amounts. A movement without an amount counts as `whole`.
    fn sum(&self, kind: MovementKind, whole: i64) -> i64 {
        self.of_kind(kind)
            .map(|(_, amount)| amount.unwrap_or(whole))
            .fold(0, i64::saturating_add)
    }

    /// Returns the sum of all captures that the provider has reported, including the captures that
    /// failed later.
    fn reported(&self) -> i64 {
        self.of_kind(MovementKind::CapturedTotal)
            .filter(|(reference, _)| *reference != CLAIMED)
            .filter_map(|(_, amount)| amount)
            .max()
            .unwrap_or(0)
            .max(self.sum(MovementKind::Captured, 0))
    }

    /// Returns the capture that only a caller has reported.
    fn claimed(&self) -> i64 {
        let claim = self.0.get(&(MovementKind::CapturedTotal, CLAIMED));
        claim.copied().flatten().unwrap_or(0)
    }

    /// Returns the capture that counts until the provider reports one.
    fn assumed(&self) -> i64 {
        match self.largest(MovementKind::AutoCaptured) {
            0 => self.claimed(),
            assumed => assumed,
        }
    }

    /// Captures are reported one by one, as their sum, or both. A failed capture does not count.
    fn captured(&self) -> i64 {
        let assumed = self.assumed();
        let whole = match assumed {
            0 => Money::LARGEST,
            assumed => assumed,
        };
        let failed = self.failed(MovementKind::CaptureFailed, MovementKind::Captured, whole);
        if self.reported() == 0 {
            let is_refuted = failed.any
                || self.has(MovementKind::Voided)
                || self.has(MovementKind::CaptureRefused);
            return if is_refuted { 0 } else { assumed };
        }
        // The failed capture can be the assumed one, which was never reported. A provider repeats
        // such a capture and reports the second one.
        let unnamed = (failed.unnamed - assumed).max(0);
        let single = self
            .sum(MovementKind::Captured, 0)
            .saturating_sub(failed.named)
            .saturating_sub(unnamed);
        let total = self
            .reported()
            .saturating_sub(failed.named)
            .saturating_sub(failed.unnamed);
        single.max(total).max(0)
    }

    /// A refund that is reported twice counts once: by its own event, and by an event with the sum
    /// of all refunds. A failed or reversed refund does not count.
    fn refunded(&self, captured: i64) -> i64 {
        let failed = self.failed(MovementKind::RefundFailed, MovementKind::Refunded, captured);
        let reversed = self.sum(MovementKind::RefundReversed, captured);
        let single = self.sum(MovementKind::Refunded, captured) - failed.named;
        // The sums can include failed refunds without a separate movement.
        let total = self
            .largest(MovementKind::RefundedTotal)
            .saturating_sub(failed.named)
            .saturating_sub(failed.unnamed);
        single
            .max(total)
            .saturating_sub(reversed)
            .clamp(0, captured)
    }

    /// Adds up failures: those of movements with the same reference, and the others. A failure
    /// without an amount is the failure of the whole movement, or of `whole`.
    fn failed(&self, failure: MovementKind, of: MovementKind, whole: i64) -> Failed {
        let mut failed = Failed::default();
        for (reference, amount) in self.of_kind(failure) {
            failed.any = true;
            let (sum, amount) = match self.0.get(&(of, reference)) {
                Some(done) => (&mut failed.named, *done),
                None => (&mut failed.unnamed, amount),
            };
            *sum = sum.saturating_add(amount.unwrap_or(whole));
        }
        failed
    }

    /// Returns the state of each dispute. Its latest round counts, and in a round the final state.
    fn disputes(&self) -> BTreeMap<&'a str, Dispute> {
        let mut disputes: BTreeMap<&str, Dispute> = BTreeMap::new();
        for (kind, stage) in [
            (MovementKind::DisputeOpened, Stage::Opened),
            (MovementKind::DisputeUndefended, Stage::Undefended),
            (MovementKind::DisputeClosed, Stage::Closed),
            (MovementKind::DisputeWon, Stage::Won),
            (MovementKind::DisputeLost, Stage::Lost),
        ] {
            for (reference, amount) in self.of_kind(kind) {
                let (id, round) = dispute_round(reference);
                let report = Dispute {
                    round,
                    stage,
                    amount,
                };
                let dispute = disputes.entry(id).or_insert(report);
                if (round, stage) > (dispute.round, dispute.stage) {
                    (dispute.round, dispute.stage) = (round, stage);
                }
                dispute.amount = dispute.amount.max(amount);
            }
        }
        disputes
    }

    /// Returns the amount up to which an operator closed the entry.
    fn resolved(&self, concern: Concern) -> i64 {
        self.of_kind(MovementKind::Resolved)
            .filter(|(reference, _)| *reference == concern.as_str())
            .map(|(_, amount)| amount.unwrap_or(Money::LARGEST))
            .max()
            .unwrap_or(0)
    }
}

impl PaymentEvent {
    /// Returns the movements that the event reports about a transaction in `currency`. Amounts in
    /// another currency are not about this transaction.
    pub fn movements(&self, currency: Currency) -> Vec<Movement> {
        let own_id = |id: &Option<String>| id.clone().unwrap_or_else(|| self.event_id.clone());
        let is_same = |amount: &Money| amount.currency() == currency;
        let minor = |amount: &Option<Money>| amount.filter(is_same).map(Money::minor);
        let one = |kind, reference, amount| vec![Movement::new(kind, reference, amount)];
        match &self.kind {
            PaymentEventKind::Paid {
                amount,
                capture_id,
                refunded,
                ..
            } if is_same(amount) => {
                let kind = match capture_id {
                    Some(_) => MovementKind::Captured,
                    None => MovementKind::CapturedTotal,
                };
                let mut movements = one(kind, own_id(capture_id), Some(amount.minor()));
                if let Some(refunded) = refunded.filter(is_same).filter(|sum| !sum.is_zero()) {
                    let total = Some(refunded.minor());
                    movements.extend(one(
                        MovementKind::RefundedTotal,
                        self.event_id.clone(),
                        total,
                    ));
                }
                movements
            }
            PaymentEventKind::Authorised {
                amount, captured, ..
            } if is_same(amount) => {
                let kind = if *captured {
                    MovementKind::AutoCaptured
                } else {
                    MovementKind::Authorised
                };
                one(kind, self.event_id.clone(), Some(amount.minor()))
            }
            PaymentEventKind::Voided { .. } => {
                one(MovementKind::Voided, self.event_id.clone(), None)
            }
            PaymentEventKind::CaptureFailed {
                amount,
                capture_id,
                refused,
                ..
            } => {
                let kind = if *refused {
                    MovementKind::CaptureRefused
                } else {
                    MovementKind::CaptureFailed
                };
                one(kind, own_id(capture_id), minor(amount))
            }
            PaymentEventKind::Refunded { amount, refund_id } if is_same(amount) => {
                let kind = match refund_id {
                    Some(_) => MovementKind::Refunded,
                    None => MovementKind::RefundedTotal,
                };
                one(kind, own_id(refund_id), Some(amount.minor()))
            }
            PaymentEventKind::RefundFailed {
                amount, refund_id, ..
            } => {
                let kind = match refund_id {
                    Some(_) => MovementKind::RefundFailed,
                    None => MovementKind::RefundReversed,
                };
                one(kind, own_id(refund_id), minor(amount))
            }
            PaymentEventKind::Returned { amount, return_id } => {
                one(MovementKind::Returned, own_id(return_id), minor(amount))
            }
            PaymentEventKind::Disputed {
                stage,
                dispute_id,
                amount,
                undefended,
            } => {
                let kind = match stage {
                    DisputeStage::Opened => MovementKind::DisputeOpened,
                    DisputeStage::Closed => MovementKind::DisputeClosed,
                    DisputeStage::Won => MovementKind::DisputeWon,
                    DisputeStage::Lost if *undefended => MovementKind::DisputeUndefended,
                    DisputeStage::Lost => MovementKind::DisputeLost,
                };
                // Reports without an id are about one dispute.
                let dispute_id = dispute_id.clone().unwrap_or_default();
                one(kind, dispute_id, minor(amount))
            }
            PaymentEventKind::Warning {
                warning,
                warning_id,
            } => {
                let kind = match warning {
                    PaymentWarning::Fraud => MovementKind::FraudWarning,
                    PaymentWarning::ReviewOpened => MovementKind::ReviewOpened,
                    PaymentWarning::ReviewClosed => MovementKind::ReviewClosed,
                };
                one(kind, warning_id.clone().unwrap_or_default(), None)
            }
            PaymentEventKind::Resolved { concern, .. } => {
                one(MovementKind::Resolved, concern.clone(), None)
            }
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::Authorised { .. }
            | PaymentEventKind::AttemptFailed { .. }
            | PaymentEventKind::Processing
            | PaymentEventKind::Refunded { .. }
            | PaymentEventKind::CompletedUnpaid { .. }
            | PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. }
            | PaymentEventKind::ReportRefused { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
