//! A table: the kinds of events that each provider reports, each with a sample body.

use super::*;
use domain::{DisputeStage, PaymentEventKind as Kind, PaymentWarning};

/// Returns whether the event has the kind of the sample.
fn is_of_kind(kind: SampleKind, event: &PaymentEvent) -> bool {
    let amount = usd(1_999);
    let stage = |wanted| {
        matches!(
            &event.kind,
            Kind::Disputed { stage, dispute_id: Some(_), amount: Some(told), undefended: false }
                if *stage == wanted && *told == amount
        )
    };
    let is_adyen = event.provider == WebhookProvider::Adyen;
    match kind {
        // With immediate capture, Adyen's authorisation is the payment.
        SampleKind::Paid if is_adyen => {
            matches!(event.kind, Kind::Authorised { amount: told, captured: true, .. } if told == amount)
        }
        SampleKind::Paid => matches!(event.kind, Kind::Paid { amount: told, .. } if told == amount),
        SampleKind::Authorised => {
            matches!(event.kind, Kind::Authorised { amount: told, captured, .. } if told == amount && captured == is_adyen)
        }
        SampleKind::Captured => {
            matches!(event.kind, Kind::Paid { amount: told, capture_id: Some(_), .. } if told == amount)
        }
        // A failed payment of Square never succeeds, and an event of Stripe or Adyen is one try.
        SampleKind::Failed if event.provider == WebhookProvider::Square => {
            matches!(event.kind, Kind::Voided { .. })
        }
        SampleKind::Failed => matches!(event.kind, Kind::AttemptFailed { .. }),
        SampleKind::Voided => matches!(event.kind, Kind::Voided { .. }),
        SampleKind::CaptureFailed => {
            matches!(event.kind, Kind::CaptureFailed { amount: Some(told), .. } if told == amount)
        }
        SampleKind::Refunded => matches!(
            event.kind,
            Kind::Refunded { amount: told, refund_id: Some(_) } if told == amount
        ),
        SampleKind::RefundFailed => {
            matches!(event.kind, Kind::RefundFailed { amount: Some(told), .. } if told == amount)
        }
        SampleKind::Returned => matches!(
            event.kind,
            Kind::Returned { amount: Some(told), return_id: Some(_) } if told == amount
        ),
        SampleKind::Disputed => stage(DisputeStage::Opened),
        SampleKind::DisputeWon => stage(DisputeStage::Won),
        SampleKind::DisputeLost => stage(DisputeStage::Lost),
        SampleKind::Warning => matches!(
            event.kind,
            Kind::Warning {
                warning: PaymentWarning::Fraud,
                warning_id: Some(_)
            }
        ),
    }
}

/// One row for each provider, one column for each kind in the order of [`SampleKind::ALL`].
/// `x`: the event moves money. `u`: it is shown to operators only. `-`: there is no such event.
const TABLE: [(WebhookProvider, &str); 8] = [
    // paid, authorised, captured, failed, voided, capture-failed, refunded, refund-failed,
    // returned, disputed, dispute-won, dispute-lost, warning
    (WebhookProvider::Stripe, "xx-xx-xx-xxxx"),
    (WebhookProvider::Adyen, "xxxxxxxx-xxxx"),
    (WebhookProvider::Standard, "xxxxxxxxxxxx-"),
    (WebhookProvider::Square, "xx-xx-xx-xxx-"),
    (WebhookProvider::Mollie, "u------------"),
    (WebhookProvider::GoCardless, "u--uu-u-uuu--"),
    (WebhookProvider::Checkout, "xxxxxxxxxxxx-"),
    (WebhookProvider::Shopify, "u--u--u--u---"),
];

#[test]
fn each_provider_reports_its_kinds() {
    for (provider, row) in TABLE {
        assert_eq!(row.len(), SampleKind::ALL.len());
        for (kind, mark) in SampleKind::ALL.iter().copied().zip(row.chars()) {
            let cell = format!("{provider} {kind}");
            let Some(message) = sampled(provider, kind, usd(1_999)) else {
                assert_eq!(mark, '-', "{cell}");
                continue;
            };
            let events = told(provider, &message).unwrap();
            assert_eq!(events.len(), 1, "{cell}");
            let event = &events[0];
            if mark == 'u' {
                assert!(
                    matches!(event.kind, Kind::Unconfirmed { .. }),
                    "{cell} {event:?}"
                );
            } else {
                assert_eq!(mark, 'x', "{cell}");
                assert!(is_of_kind(kind, event), "{cell} {event:?}");
                assert!(event.concerns_order(), "{cell}");
            }
            let transaction = event.transaction_id.as_ref().map(TransactionId::as_str);
            let is_unnamed = provider == WebhookProvider::Shopify;
            assert_eq!(transaction.is_none(), is_unnamed, "{cell}");
            assert!(is_unnamed || transaction == Some("tx_1"), "{cell}");
        }
    }
}

#[test]
fn events_of_a_sample_are_decoded_as_encoded() {
    for (provider, _) in TABLE {
        for kind in SampleKind::ALL {
            let Some(message) = sampled(provider, *kind, usd(1_999)) else {
                continue;
            };
            for event in told(provider, &message).unwrap() {
                let encoded = serde_json::to_string(&event).unwrap();
                let decoded: PaymentEvent = serde_json::from_str(&encoded).unwrap();
                assert_eq!(decoded, event);
            }
        }
    }
}
