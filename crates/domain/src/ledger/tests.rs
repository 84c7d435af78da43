//! Tests of the balance of a transaction.

mod events;
mod properties;

use MovementKind::{
    Authorised, AutoCaptured, CaptureFailed, CaptureRefused, Captured, CapturedTotal,
    DisputeClosed, DisputeLost, DisputeOpened, DisputeUndefended, DisputeWon, FraudWarning, Joined,
    Moved, RefundAccepted, RefundByHand, RefundFailed, RefundGranted, RefundRequested,
    RefundReversed, Refunded, RefundedTotal, Resolved, Returned, ReviewClosed, ReviewOpened,
    Voided,
};

use super::*;

fn movement(kind: MovementKind, reference: &str, amount: i64) -> Movement {
    Movement::new(kind, reference, Some(amount))
}

#[test]
fn captures_in_parts_add_up() {
    let parts = [
        movement(Captured, "a", 2_000),
        movement(Captured, "b", 3_000),
    ];
    assert_eq!(Balance::of(&parts).captured, 5_000);
    let repeated = [parts.clone(), parts].concat();
    assert_eq!(Balance::of(&repeated).captured, 5_000);
    let totals = [
        movement(CapturedTotal, "1", 4_999),
        movement(CapturedTotal, "2", 5_000),
    ];
    assert_eq!(Balance::of(&totals).captured, 5_000);
}

#[test]
fn explicit_capture_replaces_assumed_capture() {
    let mut movements = vec![movement(AutoCaptured, "PSP1", 5_000)];
    assert_eq!(Balance::of(&movements).captured, 5_000);
    movements.push(movement(Captured, "CAP1", 2_000));
    let balance = Balance::of(&movements);
    assert_eq!((balance.captured, balance.authorised), (2_000, 5_000));
    assert_eq!(balance.concerns, [(Concern::CaptureShort, 3_000)].into());
    movements.push(Movement::new(Voided, "EXPIRE", None));
    assert_eq!(Balance::of(&movements).captured, 2_000);
}

#[test]
fn granted_refund_still_pays_the_order() {
    let mut movements = vec![
        movement(Captured, "a", 5_000),
        movement(RefundRequested, "refund RF-1", 2_000),
        movement(RefundGranted, "refund RF-1", 2_000),
    ];
    let balance = Balance::of(&movements);
    assert_eq!(
        (balance.due, balance.available(), balance.paying()),
        (2_000, 3_000, 5_000)
    );
    movements.push(movement(Refunded, "re_1", 2_000));
    let balance = Balance::of(&movements);
    assert_eq!((balance.due, balance.paying()), (0, 5_000));
    // A refund that the shop did not grant leaves the order unpaid.
    movements.push(movement(Refunded, "re_2", 1_000));
    assert_eq!(Balance::of(&movements).paying(), 4_000);
    movements.push(Movement::new(RefundRequested, "all", None));
    assert_eq!(Balance::of(&movements).paying(), 0);
}

#[test]
fn failed_capture_is_declined_not_refunded() {
    let failed = [
        movement(AutoCaptured, "PSP1", 5_000),
        Movement::new(CaptureFailed, "PSP2", None),
    ];
    let balance = Balance::of(&failed);
    assert_eq!(balance.captured, 0);
    assert_eq!(balance.status(true), PaymentStatus::Declined);
    assert_eq!(balance.concerns, [(Concern::CaptureFailed, 5_000)].into());
}

#[test]
fn accepted_refund_changes_no_other_amount() {
    let mut movements = vec![
        movement(Captured, "a", 5_000),
        Movement::new(RefundRequested, "all", None),
    ];
    let requested = Balance::of(&movements);
    movements.push(movement(RefundAccepted, "1", 2_000));
    movements.push(movement(RefundAccepted, "2", 5_000));
    let accepted = Balance {
        accepted: 5_000,
        ..requested
    };
    assert_eq!(Balance::of(&movements), accepted);
}

#[test]
fn failed_refund_is_due_again() {
    let mut movements = vec![
        movement(CapturedTotal, "1", 1_000),
        Movement::new(RefundRequested, "all", None),
    ];
    assert_eq!(
        Balance::of(&movements).status(true),
        PaymentStatus::Refunding
    );
    movements.push(movement(Refunded, "re_1", 1_000));
    assert_eq!(
        Balance::of(&movements).status(true),
        PaymentStatus::Refunded
    );
    movements.push(movement(RefundFailed, "re_1", 1_000));
    let balance = Balance::of(&movements);
    assert_eq!((balance.due, balance.refunded), (1_000, 0));
    assert_eq!(balance.status(true), PaymentStatus::RefundDue);
    movements.push(movement(Refunded, "by hand", 1_000));
    assert_eq!(
        Balance::of(&movements).status(true),
        PaymentStatus::Refunded
    );
}

#[test]
fn refund_reported_in_several_ways_counts_once() {
    let reports = [
        movement(CapturedTotal, "1", 1_000),
        movement(Refunded, "re_1", 500),
        movement(RefundedTotal, "evt", 500),
    ];
    let balance = Balance::of(&reports);
    assert_eq!((balance.refunded, balance.rest()), (500, 500));
    assert_eq!(balance.status(true), PaymentStatus::Captured);
}

#[test]
fn money_without_order_or_adapter_needs_an_operator() {
    let mut movements = vec![movement(CapturedTotal, "1", 1_000)];
    assert_eq!(
        Balance::of(&movements).status(false),
        PaymentStatus::RefundDue
    );
    movements.push(Movement::new(RefundRequested, "all", None));
    movements.push(Movement::new(RefundByHand, "all", None));
    assert_eq!(
        Balance::of(&movements).status(true),
        PaymentStatus::RefundDue
    );
}

/// Calls `check` with the balance of each order of the movements.
fn for_each_order(movements: &[Movement], check: impl Fn(&Balance)) {
    fn permute(taken: &mut Vec<Movement>, rest: &[Movement], check: &impl Fn(&Balance)) {
        if rest.is_empty() {
            check(&Balance::of(taken));
        }
        for (index, movement) in rest.iter().enumerate() {
            let mut others = rest.to_vec();
            others.remove(index);
            taken.push(movement.clone());
            permute(taken, &others, check);
            taken.pop();
        }
    }
    permute(&mut Vec::new(), movements, &check);
}

#[test]
fn reversed_refund_is_subtracted_in_any_order() {
    let money = movement(AutoCaptured, "PSP1", 5_000);
    let reversal = movement(RefundReversed, "REFUNDED_REVERSED:REV1:true", 5_000);
    for refund in [Refunded, RefundedTotal] {
        let movements = [
            money.clone(),
            movement(refund, "REF1", 5_000),
            reversal.clone(),
        ];
        for_each_order(&movements, |balance| {
            assert_eq!((balance.refunded, balance.rest()), (0, 5_000));
            assert_eq!(balance.status(false), PaymentStatus::RefundDue);
        });
    }
    let parts = [
        money,
        movement(Refunded, "REF1", 2_000),
        movement(Refunded, "REF2", 1_000),
        movement(RefundReversed, "REV1", 1_000),
    ];
    for_each_order(&parts, |balance| assert_eq!(balance.refunded, 2_000));
}

#[test]
fn refused_refund_leaves_other_refunds_unchanged() {
    let movements = [
        movement(CapturedTotal, "1", 5_000),
        movement(Refunded, "REF1", 2_000),
        movement(RefundFailed, "REF2", 3_000),
    ];
    for_each_order(&movements, |balance| assert_eq!(balance.refunded, 2_000));
}

#[test]
fn latest_round_of_a_dispute_counts() {
    let of = |rounds: &[(MovementKind, &str)]| {
        let mut movements = vec![movement(CapturedTotal, "1", 5_000)];
        movements.extend(
            rounds
                .iter()
                .map(|(kind, reference)| movement(*kind, reference, 5_000)),
        );
        let expected = Balance::of(&movements);
        for_each_order(&movements, |balance| assert_eq!(*balance, expected));
        (expected.dispute, expected.lost)
    };
    let lost = (Some(DisputeStage::Lost), 5_000);
    let won = (Some(DisputeStage::Won), 0);
    let first = [(DisputeOpened, "PSP1"), (DisputeUndefended, "PSP1")];
    assert_eq!(of(&first), lost);
    assert_eq!(of(&[first[0], first[1], (DisputeWon, "PSP1")]), won);
    assert_eq!(of(&[(DisputeWon, "PSP1"), (DisputeLost, "PSP1#1")]), lost);
    let arbitration = [
        (DisputeLost, "PSP1#1"),
        (DisputeWon, "PSP1#3"),
        (DisputeOpened, "PSP1"),
    ];
    assert_eq!(of(&arbitration), won);
    assert_eq!(
        of(&[(DisputeWon, "PSP1"), (DisputeOpened, "PSP1#2")]),
        (Some(DisputeStage::Opened), 0)
    );
}

#[test]
fn failed_capture_without_amount_spares_other_captures() {
    let movements = [
        movement(Captured, "a", 2_000),
        movement(Captured, "b", 3_000),
        Movement::new(CaptureFailed, "a", None),
    ];
    let balance = Balance::of(&movements);
    assert_eq!(balance.captured, 3_000);
    assert_eq!(balance.concerns, [(Concern::CaptureFailed, 2_000)].into());
    assert!(!balance.ended);
    let unnamed = [
        movement(Captured, "a", 2_000),
        movement(CaptureFailed, "x", 500),
    ];
    assert_eq!(Balance::of(&unnamed).captured, 1_500);
}

#[test]
fn repeated_capture_replaces_failed_assumed_capture() {
    // https://docs.adyen.com/online-payments/capture/failure-reasons: "Transaction Recaptured".
    let mut movements = vec![
        movement(AutoCaptured, "PSP1", 5_000),
        movement(CaptureFailed, "PSP2", 5_000),
        movement(Captured, "PSP3", 5_000),
    ];
    let balance = Balance::of(&movements);
    assert_eq!(balance.captured, 5_000);
    assert_eq!(balance.concerns, BTreeMap::new());
    assert_eq!(balance.status(true), PaymentStatus::Captured);
    movements.push(Movement::new(CaptureFailed, "PSP3", None));
    assert_eq!(Balance::of(&movements).captured, 0);
    movements.push(movement(CapturedTotal, "sum", 12_000));
    assert_eq!(Balance::of(&movements).captured, 2_000);
}

#[test]
fn failed_refund_without_amount_spares_other_refunds() {
    let movements = [
        movement(CapturedTotal, "1", 5_000),
        movement(Refunded, "re_1", 2_000),
        movement(RefundedTotal, "evt", 5_000),
        Movement::new(RefundFailed, "re_1", None),
    ];
    assert_eq!(Balance::of(&movements).refunded, 3_000);
}

#[test]
fn refund_that_failed_before_its_success_leaves_later_refunds() {
    let movements = [
        movement(CapturedTotal, "1", 5_000),
        movement(RefundFailed, "re_1", 5_000),
        movement(Refunded, "re_2", 5_000),
    ];
    assert_eq!(Balance::of(&movements).refunded, 5_000);
}

#[test]
fn reversed_refund_without_its_id_is_due_again() {
    let mut movements = vec![
        movement(CapturedTotal, "PSP1", 5_000),
        Movement::new(RefundRequested, "all", None),
        movement(Refunded, "REF1", 5_000),
        movement(RefundReversed, "REV1", 5_000),
    ];
    let balance = Balance::of(&movements);
    assert_eq!((balance.refunded, balance.due), (0, 5_000));
    assert_eq!(balance.status(false), PaymentStatus::RefundDue);
    movements.push(movement(Refunded, "REF2", 5_000));
    assert_eq!(Balance::of(&movements).due, 0);
    let whole = [
        movement(CapturedTotal, "PSP1", 5_000),
        movement(Refunded, "REF1", 5_000),
        Movement::new(RefundReversed, "REV1", None),
    ];
    assert_eq!(Balance::of(&whole).refunded, 0);
}

#[test]
fn review_closes_when_no_money_is_left() {
    let mut movements = vec![
        movement(Authorised, "1", 5_000),
        Movement::new(ReviewOpened, "r", None),
    ];
    let review = |movements: &[Movement]| {
        Balance::of(movements)
            .concerns
            .get(&Concern::ReviewOpen)
            .copied()
    };
    assert_eq!(review(&movements), Some(5_000));
    movements.push(movement(Captured, "2", 2_000));
    assert_eq!(review(&movements), Some(5_000));
    movements.push(Movement::new(Voided, "3", None));
    assert_eq!(review(&movements), Some(2_000));
    movements.push(movement(Refunded, "4", 2_000));
    assert_eq!(review(&movements), None);
}

#[test]
fn movements_explain_each_status_of_an_earlier_release() {
    for status in PaymentStatus::ALL {
        let balance = Balance::of(&Movement::explaining(*status, 5_000));
        assert_eq!(balance.status(true), *status, "{status}");
        let is_captured = !matches!(
            status,
            PaymentStatus::Pending | PaymentStatus::Declined | PaymentStatus::Refunding
        );
        assert_eq!(
            balance.captured,
            if is_captured { 5_000 } else { 0 },
            "{status}"
        );
    }
}

#[test]
fn transaction_is_called_by_each_of_its_ids() {
    let id = |text| TransactionId::parse(text).unwrap();
    let transaction = Transaction {
        payment_id: PaymentId::parse("pmt-1").unwrap(),
        transaction_id: Some(id("pi_1")),
        aliases: vec![id("cs_1"), id("in_1")],
        joined: Vec::new(),
        provider: "stripe".to_owned(),
        currency: Currency::parse("USD").unwrap(),
        amount: 5_000,
        payment_method: None,
        balance: Balance::default(),
        version: 1,
        created_at: None,
    };
    for known in ["pi_1", "cs_1", "in_1"] {
        assert!(transaction.is_called(&id(known)), "{known}");
    }
    assert!(!transaction.is_called(&id("pi_2")));
}

/// A caller has claimed 50.00, and the provider reports something else.
#[test]
fn reports_of_the_provider_replace_a_claim() {
    let claim = movement(CapturedTotal, CLAIMED, 5_000);
    assert_eq!(Balance::of(std::slice::from_ref(&claim)).captured, 5_000);
    let cases: [(Movement, i64, Option<Concern>); 8] = [
        (
            movement(CapturedTotal, "1", 3_000),
            3_000,
            Some(Concern::CaptureShort),
        ),
        (movement(CapturedTotal, "1", 6_000), 6_000, None),
        (
            movement(Captured, "1", 3_000),
            3_000,
            Some(Concern::CaptureShort),
        ),
        (
            movement(AutoCaptured, "1", 3_000),
            3_000,
            Some(Concern::CaptureShort),
        ),
        (
            Movement::new(Voided, "1", None),
            0,
            Some(Concern::AuthorisationEnded),
        ),
        (
            Movement::new(CaptureFailed, "1", None),
            0,
            Some(Concern::CaptureFailed),
        ),
        (
            Movement::new(CaptureRefused, "1", None),
            0,
            Some(Concern::CaptureRefused),
        ),
        // The capture can follow.
        (movement(Authorised, "1", 5_000), 5_000, None),
    ];
    for (report, captured, concern) in cases {
        for_each_order(&[claim.clone(), report.clone()], |balance| {
            assert_eq!(balance.captured, captured, "{report:?}");
            assert_eq!(
                balance.concerns.keys().next().copied(),
                concern,
                "{report:?}"
            );
            let missing = balance.concerns.values().sum::<i64>();
            assert_eq!(missing, (5_000 - captured).max(0), "{report:?}");
        });
    }
}

#[test]
fn moved_transaction_has_no_money() {
    let mut movements = vec![
        movement(CapturedTotal, "1", 5_000),
        movement(DisputeLost, "d1", 2_000),
        Movement::new(RefundRequested, "all", None),
    ];
    let before = Balance::of(&movements);
    // The other row has these movements. `joined` names this row there and moves no money.
    let mut other = movements.clone();
    other.push(Movement::new(Joined, "stripe:cs_1", None));
    assert_eq!(Balance::of(&other), before);
    movements.push(Movement::new(Moved, "stripe:pi_1", None));
    for_each_order(&movements, |balance| {
        let expected = Balance {
            ended: true,
            ..Balance::default()
        };
        assert_eq!(*balance, expected);
        assert_eq!(balance.capturable(), 0);
        assert_eq!(balance.status(true), PaymentStatus::Declined);
    });
}

#[test]
fn owed_money_is_what_failed_to_arrive_or_was_taken_back() {
    let mut movements = vec![
        movement(Authorised, "1", 8_000),
        movement(CapturedTotal, "2", 5_000),
    ];
    assert_eq!(Balance::of(&movements).owed(), 3_000);
    movements.push(movement(DisputeLost, "d1", 2_000));
    assert_eq!(Balance::of(&movements).owed(), 5_000);
    // The shop's own refund, an open dispute and a warning are not owed.
    movements.push(movement(Refunded, "r1", 1_000));
    movements.push(movement(DisputeOpened, "d2", 1_000));
    movements.push(Movement::new(FraudWarning, "w1", None));
    assert_eq!(Balance::of(&movements).owed(), 5_000);
    movements.push(movement(Resolved, "dispute_lost", 2_000));
    assert_eq!(Balance::of(&movements).owed(), 3_000);
}

#[test]
fn concern_returns_with_what_exceeds_the_resolution() {
    let mut movements = vec![
        movement(CapturedTotal, "1", 5_000),
        movement(DisputeLost, "d1", 2_000),
        movement(Resolved, "dispute_lost", 2_000),
    ];
    assert_eq!(Balance::of(&movements).concerns, BTreeMap::new());
    movements.push(movement(DisputeLost, "d2", 1));
    let expected = [(Concern::DisputeLost, 1)].into();
    assert_eq!(Balance::of(&movements).concerns, expected);
    movements.push(movement(Resolved, "dispute_lost", 2_001));
    assert_eq!(Balance::of(&movements).concerns, BTreeMap::new());
    let everything = [
        movement(CapturedTotal, "1", 5_000),
        movement(DisputeLost, "d1", 2_000),
        Movement::new(Resolved, "dispute_lost", None),
        Movement::new(Resolved, "returned", None),
    ];
    assert_eq!(Balance::of(&everything).concerns, BTreeMap::new());
}

#[test]
fn stage_of_a_dispute_does_not_fall_back() {
    let capture = movement(CapturedTotal, "1", 5_000);
    let stage = |kinds: &[MovementKind]| {
        let disputes = kinds.iter().map(|kind| Movement::new(*kind, "d", None));
        let movements: Vec<_> = [capture.clone()].into_iter().chain(disputes).collect();
        let balance = Balance::of(&movements);
        (balance.dispute, balance.lost)
    };
    assert_eq!(stage(&[]), (None, 0));
    assert_eq!(stage(&[DisputeOpened]), (Some(DisputeStage::Opened), 0));
    assert_eq!(
        stage(&[DisputeClosed, DisputeOpened, DisputeUndefended]),
        (Some(DisputeStage::Closed), 0)
    );
    assert_eq!(
        stage(&[DisputeUndefended, DisputeOpened]),
        (Some(DisputeStage::Lost), 5_000)
    );
    assert_eq!(
        stage(&[DisputeUndefended, DisputeWon, DisputeOpened]),
        (Some(DisputeStage::Won), 0)
    );
    assert_eq!(
        stage(&[DisputeLost, DisputeWon]),
        (Some(DisputeStage::Lost), 5_000)
    );
}

#[test]
fn status_follows_the_amounts() {
    let status = |movements: &[Movement], has_order| Balance::of(movements).status(has_order);
    assert_eq!(status(&[], true), PaymentStatus::Pending);
    let request = Movement::new(RefundRequested, "all", None);
    assert_eq!(
        status(std::slice::from_ref(&request), true),
        PaymentStatus::Refunding
    );
    assert_eq!(
        status(&[request, Movement::new(Voided, "v", None)], true),
        PaymentStatus::Declined
    );
    let capture = movement(CapturedTotal, "1", 5_000);
    let returned = Movement::new(Returned, "r", None);
    assert_eq!(
        status(&[capture.clone(), returned], true),
        PaymentStatus::Declined
    );
    let lost = movement(DisputeLost, "d", 5_000);
    assert_eq!(
        status(&[capture.clone(), lost], false),
        PaymentStatus::Captured
    );
    let part = movement(RefundRequested, "part", 2_000);
    let refund = movement(Refunded, "re_1", 2_000);
    assert_eq!(
        status(&[capture.clone(), part.clone()], true),
        PaymentStatus::Captured
    );
    let whole = movement(RefundRequested, "whole", 5_000);
    assert_eq!(
        status(&[capture.clone(), whole], true),
        PaymentStatus::Refunding
    );
    assert_eq!(
        status(&[capture.clone(), part.clone(), refund.clone()], true),
        PaymentStatus::Captured
    );
    assert_eq!(
        status(&[capture, part, refund], false),
        PaymentStatus::RefundDue
    );
}

#[test]
fn uncaptured_money_can_be_captured_until_it_ends() {
    let capturable = |more: &[Movement]| {
        let authorised = [
            movement(Authorised, "1", 5_000),
            movement(Captured, "2", 2_000),
        ];
        Balance::of(&[&authorised, more].concat()).capturable()
    };
    assert_eq!(capturable(&[]), 3_000);
    assert_eq!(capturable(&[movement(Captured, "3", 4_000)]), 0);
    assert_eq!(capturable(&[Movement::new(Voided, "3", None)]), 0);
    assert_eq!(capturable(&[Movement::new(RefundRequested, "3", None)]), 0);
    assert_eq!(capturable(&[movement(RefundRequested, "3", 1)]), 3_000);
    assert_eq!(
        capturable(&[Movement::new(CaptureRefused, "3", None)]),
        3_000
    );
}

#[test]
fn each_reason_for_missing_money_has_its_concern() {
    let concerns = |more: Movement| {
        let authorised = movement(Authorised, "1", 5_000);
        Balance::of(&[authorised, more]).concerns
    };
    for (more, concern, amount) in [
        (movement(Captured, "2", 2_000), Concern::CaptureShort, 3_000),
        (
            Movement::new(Voided, "2", None),
            Concern::AuthorisationEnded,
            5_000,
        ),
        (
            Movement::new(CaptureRefused, "2", None),
            Concern::CaptureRefused,
            5_000,
        ),
        (
            Movement::new(CaptureFailed, "2", None),
            Concern::CaptureFailed,
            5_000,
        ),
    ] {
        assert_eq!(concerns(more), [(concern, amount)].into());
    }
    assert_eq!(concerns(movement(Authorised, "2", 5_000)), BTreeMap::new());
}

#[test]
fn each_warning_has_its_concern() {
    let concerns = |more: &[Movement]| {
        let capture = movement(CapturedTotal, "1", 5_000);
        Balance::of(&[std::slice::from_ref(&capture), more].concat()).concerns
    };
    assert_eq!(
        concerns(&[movement(Returned, "r", 2_000)]),
        [(Concern::Returned, 2_000)].into()
    );
    assert_eq!(
        concerns(&[Movement::new(Returned, "r", None)]),
        [(Concern::Returned, 5_000)].into()
    );
    assert_eq!(
        concerns(&[movement(Returned, "r", 6_000)]),
        [(Concern::Returned, 5_000)].into()
    );
    assert_eq!(
        concerns(&[Movement::new(DisputeOpened, "d", None)]),
        [(Concern::DisputeOpen, 5_000)].into()
    );
    assert_eq!(
        concerns(&[
            movement(DisputeOpened, "d", 100),
            movement(DisputeOpened, "e", 20),
            movement(DisputeWon, "f", 3),
        ]),
        [(Concern::DisputeOpen, 120)].into()
    );
    assert_eq!(
        concerns(&[
            movement(DisputeOpened, "d", 100),
            Movement::new(DisputeLost, "d", None),
        ]),
        [(Concern::DisputeLost, 100)].into()
    );
    let fraud = Movement::new(FraudWarning, "f", None);
    assert_eq!(
        concerns(&[fraud.clone(), movement(Refunded, "x", 1_000)]),
        [(Concern::FraudWarning, 4_000)].into()
    );
    assert_eq!(
        concerns(&[fraud, movement(Refunded, "x", 5_000)]),
        BTreeMap::new()
    );
    let opened = |id| Movement::new(ReviewOpened, id, None);
    let closed = |id| Movement::new(ReviewClosed, id, None);
    assert_eq!(
        concerns(&[closed("a"), opened("a"), opened("b")]),
        [(Concern::ReviewOpen, 5_000)].into()
    );
    assert_eq!(
        concerns(&[closed("b"), opened("a"), opened("b"), closed("a")]),
        BTreeMap::new()
    );
}
