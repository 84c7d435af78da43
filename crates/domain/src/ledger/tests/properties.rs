//! Random sequences of reports about payments, compared with a model of coins.
//!
//! The model has one coin for each unit of captured money and moves single coins between four
//! places, in the order in which a provider's account would. It shares no code with the fold, which
//! sees the reports only.

use std::thread;

use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};

use super::{events::event, *};

const SEQUENCES: u64 = 100_000;
const ORDERS: usize = 2;

/// The place of one unit of captured money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coin {
    /// It pays the order of the payment, or is unmatched.
    Free,
    /// It must be refunded.
    Due,
    Refunded,
    /// A bank took it back.
    Lost,
}

/// The way in which a provider reports captures and refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reports {
    OneByOne,
    Sums,
    Both,
}

/// A capture or a refund.
#[derive(Debug, Clone)]
struct Part {
    id: String,
    units: usize,
    has_failed: bool,
}

#[derive(Debug, Clone)]
struct Case {
    id: String,
    /// `None` for the whole payment.
    units: Option<usize>,
    /// The latest round, and the final stage in it.
    state: (usize, usize),
}

/// The stages of a dispute; a later one takes precedence.
const STAGES: [(DisputeStage, bool); 5] = [
    (DisputeStage::Opened, false),
    (DisputeStage::Lost, true),
    (DisputeStage::Closed, false),
    (DisputeStage::Won, false),
    (DisputeStage::Lost, false),
];
const LOST_STAGES: [usize; 2] = [1, 4];

/// One payment at its provider, and the reports about it so far.
#[derive(Debug)]
struct Payment {
    order: Option<usize>,
    reports: Reports,
    /// Minor units of one coin.
    scale: i64,
    movements: Vec<Movement>,
    coins: Vec<Coin>,
    authorised: usize,
    /// Whether the captured money is only assumed, because the provider captures it by itself.
    is_assumed: bool,
    was_assumed: bool,
    captures: Vec<Part>,
    refunds: Vec<Part>,
    returns: Vec<Option<usize>>,
    disputes: Vec<Case>,
    capture_failed: bool,
    capture_refused: bool,
    voided: bool,
    refund_until: usize,
    granted: usize,
    refund_all: bool,
    by_hand: bool,
    fraud: bool,
    open_reviews: Vec<String>,
    resolved: BTreeMap<Concern, i64>,
}

impl Payment {
    fn new(rng: &mut SmallRng) -> Self {
        Self {
            order: Some(rng.random_range(0..=ORDERS)).filter(|order| *order < ORDERS),
            reports: pick(rng, &[Reports::OneByOne, Reports::Sums, Reports::Both]),
            scale: pick(rng, &[1, 100, 10_000_000_000]),
            movements: Vec::new(),
            coins: Vec::new(),
            authorised: 0,
            is_assumed: false,
            was_assumed: false,
            captures: Vec::new(),
            refunds: Vec::new(),
            returns: Vec::new(),
            disputes: Vec::new(),
            capture_failed: false,
            capture_refused: false,
            voided: false,
            refund_until: 0,
            granted: 0,
            refund_all: false,
            by_hand: false,
            fraud: false,
            open_reviews: Vec::new(),
            resolved: BTreeMap::new(),
        }
    }

    fn new_id(&self) -> String {
        format!("id{}", self.movements.len())
    }

    fn minor(&self, units: usize) -> i64 {
        i64::try_from(units).unwrap() * self.scale
    }

    fn money(&self, units: usize) -> Money {
        Money::from_minor(self.minor(units), Currency::DEFAULT).unwrap()
    }

    fn report(&mut self, kind: PaymentEventKind) {
        let mut event = event(kind);
        event.event_id = self.new_id();
        self.movements.extend(event.movements(Currency::DEFAULT));
    }

    fn count(&self, coin: Coin) -> usize {
        self.coins.iter().filter(|other| **other == coin).count()
    }

    /// Moves up to `units` coins from the first places in the list that have some.
    fn move_coins(&mut self, mut units: usize, from: &[Coin], to: Coin) {
        for from in from {
            for coin in self.coins.iter_mut().filter(|coin| *coin == from) {
                if units == 0 {
                    return;
                }
                *coin = to;
                units -= 1;
            }
        }
    }

    fn remove_coins(&mut self, units: usize) {
        for _ in 0..units {
            let place = |wanted: Coin| self.coins.iter().position(|coin| *coin == wanted);
            let index = place(Coin::Free).or_else(|| place(Coin::Due)).unwrap();
            self.coins.remove(index);
        }
    }

    /// Moves the coins that banks took and the coins that must be refunded.
    fn settle(&mut self) {
        let everything = usize::MAX;
        let returned = self.returns.iter().map(|units| units.unwrap_or(everything));
        let lost = self.disputes.iter().filter(|case| case.is_lost());
        let lost = lost.map(|case| case.units.unwrap_or(everything));
        let taken = returned.chain(lost).fold(0, usize::saturating_add);
        self.move_coins(everything, &[Coin::Lost], Coin::Free);
        self.move_coins(taken, &[Coin::Free, Coin::Due], Coin::Lost);
        self.move_coins(everything, &[Coin::Due], Coin::Free);
        let until = if self.refund_all {
            everything
        } else {
            self.refund_until
        };
        let open = until.saturating_sub(self.count(Coin::Refunded));
        self.move_coins(open, &[Coin::Free], Coin::Due);
    }

    fn gone(&self) -> usize {
        self.count(Coin::Refunded) + self.count(Coin::Lost)
    }

    fn rest(&self) -> usize {
        self.count(Coin::Free) + self.count(Coin::Due)
    }

    fn step(&mut self, rng: &mut SmallRng) {
        match rng.random_range(0..20) {
            0..=2 => self.authorise(rng),
            3..=6 => self.capture(rng),
            7 => self.fail_capture(rng),
            8 => self.refuse_or_void(rng),
            9..=11 => self.refund(rng),
            12 => self.fail_refund(rng),
            13..=14 => self.request_refund(rng),
            15 => self.return_money(rng),
            16..=17 => self.dispute(rng),
            18 => self.warn(rng),
            _ => self.resolve(rng),
        }
        self.settle();
        if rng.random_bool(0.2) && !self.movements.is_empty() {
            let repeated = pick(rng, &self.movements);
            self.movements.push(repeated);
        }
    }

    fn authorise(&mut self, rng: &mut SmallRng) {
        if self.authorised > 0 || !self.captures.is_empty() || self.voided || self.capture_failed {
            return;
        }
        let captured = rng.random_bool(0.5);
        self.authorised = rng.random_range(1..=12);
        self.report(PaymentEventKind::Authorised {
            amount: self.money(self.authorised),
            payment_method: None,
            captured,
        });
        self.was_assumed = captured;
        if captured && !self.capture_refused {
            self.is_assumed = true;
            self.coins = vec![Coin::Free; self.authorised];
        }
    }

    fn capture(&mut self, rng: &mut SmallRng) {
        let already = if self.is_assumed { 0 } else { self.coins.len() };
        let most = match self.authorised {
            0 => 12,
            authorised => authorised.saturating_sub(already),
        };
        if most == 0 || self.voided {
            return;
        }
        let units = rng.random_range(1..=most);
        if self.is_assumed {
            if units < self.gone() {
                return;
            }
            self.is_assumed = false;
            self.remove_coins(self.coins.len() - units);
        } else {
            self.coins.extend(vec![Coin::Free; units]);
        }
        let id = self.new_id();
        self.captures.push(Part {
            id: id.clone(),
            units,
            has_failed: false,
        });
        let paid = |amount, capture_id| PaymentEventKind::Paid {
            amount,
            payment_method: None,
            capture_id,
            refunded: None,
        };
        if self.reports != Reports::Sums {
            self.report(paid(self.money(units), Some(id)));
        }
        if self.reports != Reports::OneByOne {
            let sum = self.captures.iter().map(|part| part.units).sum();
            self.report(paid(self.money(sum), None));
        }
    }

    fn fail_capture(&mut self, rng: &mut SmallRng) {
        let fail = |id: String, amount| PaymentEventKind::CaptureFailed {
            reason: String::new(),
            amount,
            capture_id: Some(id),
            refused: false,
        };
        if self.is_assumed {
            if self.gone() > 0 {
                return;
            }
            let amount = Some(self.money(self.authorised)).filter(|_| rng.random_bool(0.5));
            let id = self.new_id();
            self.report(fail(id.clone(), amount));
            // A provider that reports sums includes its own first capture.
            self.captures.push(Part {
                id,
                units: self.authorised,
                has_failed: true,
            });
            self.is_assumed = false;
            self.capture_failed = true;
            self.coins.clear();
            return;
        }
        let gone = self.gone();
        let captured = self.coins.len();
        let part = self
            .captures
            .iter_mut()
            .find(|part| !part.has_failed && captured - part.units >= gone);
        let Some(part) = part else { return };
        part.has_failed = true;
        let part = part.clone();
        let is_named = self.was_assumed || rng.random_bool(0.7);
        let has_amount = self.reports == Reports::Sums || !is_named || rng.random_bool(0.5);
        let amount = Some(self.money(part.units)).filter(|_| has_amount);
        let id = if is_named { part.id } else { self.new_id() };
        self.report(fail(id, amount));
        self.capture_failed = true;
        self.remove_coins(part.units);
    }

    fn refuse_or_void(&mut self, rng: &mut SmallRng) {
        if self.is_assumed && self.gone() > 0 {
            return;
        }
        let reason = String::new();
        if rng.random_bool(0.5) {
            self.capture_refused = true;
            let (amount, capture_id) = (None, None);
            self.report(PaymentEventKind::CaptureFailed {
                reason,
                amount,
                capture_id,
                refused: true,
            });
        } else {
            self.voided = true;
            self.report(PaymentEventKind::Voided { reason });
        }
        if self.is_assumed {
            self.is_assumed = false;
            self.coins.clear();
        }
    }

    fn refund(&mut self, rng: &mut SmallRng) {
        if self.rest() == 0 {
            return;
        }
        let units = rng.random_range(1..=self.rest());
        self.move_coins(units, &[Coin::Due, Coin::Free], Coin::Refunded);
        let id = self.new_id();
        self.refunds.push(Part {
            id: id.clone(),
            units,
            has_failed: false,
        });
        if self.reports != Reports::Sums {
            self.report(PaymentEventKind::Refunded {
                amount: self.money(units),
                refund_id: Some(id),
            });
        }
        if self.reports != Reports::OneByOne {
            let sum = self.refunds.iter().map(|part| part.units).sum();
            self.report(PaymentEventKind::Refunded {
                amount: self.money(sum),
                refund_id: None,
            });
        }
    }

    fn fail_refund(&mut self, rng: &mut SmallRng) {
        let fail = |refund_id, amount| PaymentEventKind::RefundFailed {
            reason: String::new(),
            amount,
            refund_id,
        };
        self.by_hand |= !self.refunds.is_empty();
        let open = self.refunds.iter_mut().find(|part| !part.has_failed);
        let Some(part) = open else {
            // A refund that never succeeded changes nothing.
            if self.reports != Reports::Sums && self.refunds.is_empty() {
                self.by_hand = true;
                let id = self.new_id();
                self.report(fail(Some(id), Some(self.money(1))));
            }
            return;
        };
        part.has_failed = true;
        let part = part.clone();
        let amount = Some(self.money(part.units));
        match rng.random_range(0..3) {
            0 => self.report(fail(None, amount)),
            1 if self.reports != Reports::Sums => self.report(fail(Some(part.id), None)),
            _ => self.report(fail(Some(part.id), amount)),
        }
        self.move_coins(part.units, &[Coin::Refunded], Coin::Free);
    }

    fn request_refund(&mut self, rng: &mut SmallRng) {
        let id = self.new_id();
        match rng.random_range(0..4) {
            0 => {
                self.by_hand = true;
                self.movements.push(Movement::new(RefundByHand, id, None));
            }
            1 => self.request_all(),
            _ => {
                let until = self.count(Coin::Refunded) + rng.random_range(1..=6);
                self.refund_until = self.refund_until.max(until);
                let amount = Some(self.minor(until));
                self.movements
                    .push(Movement::new(RefundRequested, &id, amount));
                if rng.random_bool(0.5) {
                    let units = rng.random_range(1..=3);
                    self.granted += units;
                    let amount = Some(self.minor(units));
                    self.movements
                        .push(Movement::new(RefundGranted, id, amount));
                }
            }
        }
    }

    fn request_all(&mut self) {
        self.refund_all = true;
        self.movements
            .push(Movement::new(RefundRequested, "all", None));
        self.settle();
    }

    fn return_money(&mut self, rng: &mut SmallRng) {
        if self.rest() == 0 {
            return;
        }
        let units = Some(rng.random_range(1..=self.rest())).filter(|_| rng.random_bool(0.8));
        self.returns.push(units);
        self.report(PaymentEventKind::Returned {
            amount: units.map(|units| self.money(units)),
            return_id: Some(self.new_id()),
        });
    }

    fn dispute(&mut self, rng: &mut SmallRng) {
        let stage = rng.random_range(0..STAGES.len());
        let round = rng.random_range(0..2);
        let known = self.disputes.len();
        let index = rng.random_range(0..=known.min(2));
        if index == known {
            self.disputes.push(Case {
                id: self.new_id(),
                units: Some(rng.random_range(1..=12)).filter(|_| rng.random_bool(0.8)),
                state: (round, stage),
            });
        }
        let case = &mut self.disputes[index];
        case.state = case.state.max((round, stage));
        let units = case.units;
        let id = match round {
            0 => case.id.clone(),
            round => format!("{}#{round}", case.id),
        };
        let (stage, undefended) = STAGES[stage];
        self.report(PaymentEventKind::Disputed {
            stage,
            dispute_id: Some(id),
            amount: units.map(|units| self.money(units)),
            undefended,
        });
    }

    fn warn(&mut self, rng: &mut SmallRng) {
        let (warning, id) = match rng.random_range(0..3) {
            0 => {
                self.fraud = true;
                (PaymentWarning::Fraud, "fraud".to_owned())
            }
            1 => {
                self.open_reviews.push(self.new_id());
                (PaymentWarning::ReviewOpened, self.new_id())
            }
            _ => match self.open_reviews.pop() {
                Some(id) => (PaymentWarning::ReviewClosed, id),
                None => return,
            },
        };
        self.report(PaymentEventKind::Warning {
            warning,
            warning_id: Some(id),
        });
    }

    fn resolve(&mut self, rng: &mut SmallRng) {
        let open: Vec<_> = self.concerns().into_iter().collect();
        if open.is_empty() {
            return;
        }
        let (concern, amount) = pick(rng, &open);
        let resolved = self.resolved.entry(concern).or_default();
        // Sometimes the entry grew after the operator read it.
        let amount = *resolved + amount - i64::from(rng.random_bool(0.2));
        *resolved = (*resolved).max(amount);
        self.movements
            .push(Movement::new(Resolved, concern.as_str(), Some(amount)));
    }

    fn is_ended(&self) -> bool {
        self.voided || (self.capture_failed && self.coins.is_empty())
    }

    fn capturable(&self) -> usize {
        if self.is_ended() || self.refund_all {
            return 0;
        }
        self.authorised.saturating_sub(self.coins.len())
    }

    fn status(&self) -> PaymentStatus {
        let has = |coin| self.coins.contains(&coin);
        if self.coins.is_empty() {
            if self.is_ended() || (self.refund_all && self.by_hand) {
                PaymentStatus::Declined
            } else if self.refund_all {
                PaymentStatus::Refunding
            } else {
                PaymentStatus::Pending
            }
        } else if has(Coin::Due) && has(Coin::Free) {
            if self.order.is_some() {
                PaymentStatus::Captured
            } else {
                PaymentStatus::RefundDue
            }
        } else if has(Coin::Due) && self.by_hand {
            PaymentStatus::RefundDue
        } else if has(Coin::Due) {
            PaymentStatus::Refunding
        } else if has(Coin::Free) && self.order.is_none() {
            PaymentStatus::RefundDue
        } else if has(Coin::Free) {
            PaymentStatus::Captured
        } else if has(Coin::Refunded) {
            PaymentStatus::Refunded
        } else if self.returns.is_empty() {
            PaymentStatus::Captured
        } else {
            PaymentStatus::Declined
        }
    }

    fn concerns(&self) -> BTreeMap<Concern, i64> {
        let captured = self.coins.len();
        let gross = self.captures.iter().map(|part| part.units).sum();
        let expected = if self.authorised > 0 {
            self.authorised
        } else {
            gross
        };
        let missing = expected.saturating_sub(captured);
        let disputed = |wanted: fn(&&Case) -> bool| {
            let cases = self.disputes.iter().filter(wanted);
            cases.map(|case| case.units.unwrap_or(captured)).sum()
        };
        let returned: usize = self
            .returns
            .iter()
            .map(|units| units.unwrap_or(captured))
            .sum();
        let reason = if self.capture_failed {
            Some(Concern::CaptureFailed)
        } else if self.voided {
            Some(Concern::AuthorisationEnded)
        } else if self.capture_refused {
            Some(Concern::CaptureRefused)
        } else {
            Some(Concern::CaptureShort).filter(|_| captured > 0)
        };
        let fraud = if self.fraud { self.rest() } else { 0 };
        let review = if self.open_reviews.is_empty() {
            0
        } else {
            self.rest() + self.capturable()
        };
        let is_left_open =
            self.refund_all && self.by_hand && self.coins.is_empty() && !self.is_ended();
        let open = if is_left_open { self.authorised } else { 0 };
        let all = [
            (Concern::AuthorisationOpen, open),
            (Concern::Returned, returned.min(captured)),
            (Concern::DisputeOpen, disputed(|case| case.state.1 == 0)),
            (Concern::DisputeLost, disputed(|case| case.is_lost())),
            (Concern::FraudWarning, fraud),
            (Concern::ReviewOpen, review),
        ];
        let all = all
            .into_iter()
            .chain(reason.map(|reason| (reason, missing)));
        all.map(|(concern, units)| {
            let resolved = self.resolved.get(&concern).copied().unwrap_or(0);
            (concern, self.minor(units) - resolved)
        })
        .filter(|(_, amount)| *amount > 0)
        .collect()
    }

    fn check(&self, context: &str) -> Balance {
        let balance = Balance::of(&self.movements);
        let amount = |coin| self.minor(self.count(coin));
        let expected = Balance {
            authorised: self.minor(self.authorised),
            captured: self.minor(self.coins.len()),
            refunded: amount(Coin::Refunded),
            lost: amount(Coin::Lost),
            due: amount(Coin::Due),
            accepted: 0,
            granted: if self.refund_all {
                0
            } else {
                let returned = amount(Coin::Refunded) + amount(Coin::Due);
                self.minor(self.granted).min(returned)
            },
            by_hand: self.by_hand,
            refund_all: self.refund_all,
            ended: self.is_ended(),
            returned: !self.returns.is_empty(),
            dispute: self
                .disputes
                .iter()
                .map(|case| STAGES[case.state.1].0)
                .max(),
            concerns: self.concerns(),
        };
        assert_eq!(balance, expected, "{context}: {self:#?}");
        assert_eq!(balance.available(), amount(Coin::Free), "{context}");
        assert_eq!(
            balance.capturable(),
            self.minor(self.capturable()),
            "{context}"
        );
        assert_eq!(
            balance.status(self.order.is_some()),
            self.status(),
            "{context}: {self:#?}"
        );
        check_rules(&balance, context);
        balance
    }
}

impl Case {
    fn is_lost(&self) -> bool {
        LOST_STAGES.contains(&self.state.1)
    }
}

fn pick<T: Clone>(rng: &mut SmallRng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())].clone()
}

/// Checks the rules that are true for every list of movements.
fn check_rules(balance: &Balance, context: &str) {
    let Balance {
        authorised,
        captured,
        refunded,
        lost,
        due,
        ..
    } = *balance;
    let amounts = [
        authorised,
        captured,
        refunded,
        lost,
        due,
        balance.available(),
        balance.capturable(),
    ];
    assert!(
        amounts.iter().all(|amount| *amount >= 0),
        "{context}: {balance:?}"
    );
    assert!(
        refunded <= captured
            && due <= balance.rest()
            && balance.granted <= refunded + due
            && balance.paying() <= captured,
        "{context}: {balance:?}"
    );
    assert_eq!(
        captured - refunded - lost,
        balance.available() + due,
        "{context}"
    );
    assert!(
        balance.concerns.values().all(|amount| *amount > 0),
        "{context}: {balance:?}"
    );
    for has_order in [true, false] {
        let is_consistent = match balance.status(has_order) {
            PaymentStatus::Pending => captured == 0 && !balance.ended,
            PaymentStatus::Declined => captured == 0 || balance.returned,
            PaymentStatus::Captured => (due == 0 || balance.available() > 0) && refunded < captured,
            PaymentStatus::Refunding => due > 0 || captured == 0,
            PaymentStatus::Refunded => refunded > 0 && balance.rest() == 0,
            PaymentStatus::RefundDue => due > 0 || (!has_order && balance.available() > 0),
        };
        assert!(is_consistent, "{context}: {balance:?}");
    }
}

/// Checks that the balance does not depend on the order and the repetition of the movements.
fn check_reordering(rng: &mut SmallRng, movements: &[Movement], expected: &Balance, context: &str) {
    let mut movements = movements.to_vec();
    for _ in 0..rng.random_range(0..3) {
        if let Some(first) = movements.first() {
            movements.push(first.clone());
        }
        movements.shuffle(rng);
    }
    movements.shuffle(rng);
    assert_eq!(
        Balance::of(&movements),
        *expected,
        "{context}: {movements:#?}"
    );
}

/// Checks that all money of the payments has one owner.
fn check_owners(payments: &[Payment], context: &str) {
    let owners = (0..ORDERS).map(Some).chain([None]);
    let of = |owner| {
        payments
            .iter()
            .filter(move |payment| payment.order == owner)
    };
    let coins = |owner| -> i64 {
        of(owner)
            .map(|payment| payment.minor(payment.count(Coin::Free)))
            .sum()
    };
    let available = |owner| -> i64 {
        of(owner)
            .map(|payment| Balance::of(&payment.movements).available())
            .sum()
    };
    for owner in owners {
        assert_eq!(available(owner), coins(owner), "{context}");
    }
}

/// Runs one sequence with up to three payments (attempts) of two orders, or of none.
fn run_sequence(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let rng = &mut rng;
    let context = format!("seed {seed}");
    let attempts = rng.random_range(1..=3);
    let mut payments: Vec<_> = (0..attempts).map(|_| Payment::new(rng)).collect();
    for _ in 0..rng.random_range(3..=14) {
        let index = rng.random_range(0..payments.len());
        match rng.random_range(0..30) {
            // The order ends, so all its payments are refunded.
            0 => {
                let order = payments[index].order;
                for payment in payments.iter_mut().filter(|payment| payment.order == order) {
                    payment.request_all();
                    payment.check(&context);
                }
            }
            // An unmatched payment is matched.
            1 => {
                let order = rng.random_range(0..ORDERS);
                payments[index].order.get_or_insert(order);
            }
            _ => payments[index].step(rng),
        }
        payments[index].check(&context);
    }
    check_owners(&payments, &context);
    for payment in &payments {
        let balance = payment.check(&context);
        check_reordering(rng, &payment.movements, &balance, &context);
    }
}

fn run_in_parallel(count: u64, run: impl Fn(u64) + Sync) {
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let run = &run;
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                (first..count)
                    .step_by(usize::try_from(threads).unwrap())
                    .for_each(run)
            });
        }
    });
}

#[test]
fn balance_agrees_with_the_coins_of_every_sequence() {
    run_in_parallel(SEQUENCES, run_sequence);
}

#[test]
fn any_list_of_movements_keeps_the_rules() {
    run_in_parallel(20_000, |seed| {
        let rng = &mut SmallRng::seed_from_u64(seed);
        let context = format!("seed {seed}");
        let mut movements = Vec::new();
        for _ in 0..rng.random_range(1..=12) {
            let amounts = [
                None,
                Some(0),
                Some(5),
                Some(7),
                Some(50),
                Some(Money::LARGEST),
            ];
            let kind = pick(rng, MovementKind::ALL);
            let reference = pick(rng, &["a", "b", "returned", "dispute_lost"]);
            movements.push(Movement::new(kind, reference, pick(rng, &amounts)));
        }
        let balance = Balance::of(&movements);
        check_rules(&balance, &context);
        check_reordering(rng, &movements, &balance, &context);
    });
}
