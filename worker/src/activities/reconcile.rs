//! The comparison of a provider's payments with the ledger.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use domain::{Money, PaymentEvent, PaymentEventKind, Transaction, WebhookProvider};
use payment_providers::{FoundPayment, Providers};
use store::{PgPool, ledger};
use workflows::activity::{ReconcileDifference, ReconcileInput, ReconcileOutcome, ReconcileReport};

/// Younger payments are left out, because their webhook events may be on their way.
const MIN_AGE: TimeDelta = TimeDelta::minutes(10);

/// The reason why a comparison failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReconcileError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the payment provider did not answer")]
    Provider(#[from] payment_providers::OutcomeUnknown),
}

/// Compares the payments of the provider with the ledger. Payments that name no order and that the
/// ledger does not have are not ours.
pub(super) async fn compare_payments(
    pool: &PgPool,
    providers: &Providers,
    input: &ReconcileInput,
) -> Result<ReconcileOutcome, ReconcileError> {
    let now = Utc::now();
    let since = TimeDelta::from_std(input.since.duration()).unwrap_or(TimeDelta::days(1));
    let listed = match providers.find(input.provider.as_str()) {
        Some(adapter) => adapter.list_payments(now - since).await?,
        None => None,
    };
    let unsupported = listed.is_none();
    let payments = listed.unwrap_or_default();
    let mut checked = 0;
    let mut differences = Vec::new();
    let mut lost_events = Vec::new();
    for payment in payments {
        if payment.captured.is_zero() || now - payment.created < MIN_AGE {
            continue;
        }
        let stored = ledger::find(pool, Some(input.provider), &payment.transaction_id).await?;
        if stored.is_none() && payment.order_id.is_none() {
            continue;
        }
        checked += 1;
        let transaction = stored.as_ref().map(|stored| &stored.transaction);
        let found = compare(&payment, transaction);
        if !found.is_empty() {
            lost_events.push(lost_event(input.provider, &payment));
        }
        differences.extend(found);
    }
    let report = ReconcileReport {
        checked,
        differences,
        unsupported,
    };
    Ok(ReconcileOutcome {
        report,
        lost_events,
    })
}

fn compare(payment: &FoundPayment, ours: Option<&Transaction>) -> Vec<ReconcileDifference> {
    let difference = |field: &str, ours: Value, theirs: Value| ReconcileDifference {
        transaction_id: payment.transaction_id.clone(),
        field: field.to_owned(),
        ours,
        theirs,
    };
    let Some(ours) = ours else {
        let theirs = json!(payment.captured.to_string());
        return vec![difference("payment", Value::Null, theirs)];
    };
    let amount = |minor: i64| {
        Money::from_minor(minor, ours.currency)
            .map_or(Value::Null, |money| json!(money.to_string()))
    };
    let balance = &ours.balance;
    [
        ("captured", balance.captured, payment.captured),
        ("refunded", balance.refunded, payment.refunded),
    ]
    .into_iter()
    .filter(|(_, ours, theirs)| *ours != theirs.minor())
    .map(|(field, ours, theirs)| difference(field, amount(ours), json!(theirs.to_string())))
    .collect()
}

/// Returns the event for the money that the ledger does not have.
fn lost_event(provider: WebhookProvider, payment: &FoundPayment) -> PaymentEvent {
    PaymentEvent {
        provider,
        event_id: format!(
            "reconcile:{}:{}:{}",
            payment.transaction_id,
            payment.captured.minor(),
            payment.refunded.minor()
        ),
        order_id: payment.order_id.clone(),
        transaction_id: Some(payment.transaction_id.clone()),
        aliases: payment.aliases.clone(),
        customer: None,
        payment_id: payment.payment_id.clone(),
        kind: PaymentEventKind::Paid {
            amount: payment.captured,
            payment_method: None,
            capture_id: None,
            refunded: Some(payment.refunded).filter(|refunded| !refunded.is_zero()),
        },
    }
}
