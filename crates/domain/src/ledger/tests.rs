//! Tests of the balance of a transaction.

use MovementKind::{
    AutoCaptured, CaptureFailed, Captured, CapturedTotal, DisputeLost, DisputeOpened,
    DisputeUndefended, DisputeWon, RefundByHand, RefundFailed, RefundRequested, RefundReversed,
    Refunded, RefundedTotal, Voided,
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
