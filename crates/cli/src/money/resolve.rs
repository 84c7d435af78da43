//! `money resolve`: closes an entry of the work list by a payment event, which the order or the
//! settlement records as it records a webhook event.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::time::sleep;

use super::{
    arguments::ResolveEntry,
    list::{amount_of, format_amount},
};
use crate::{
    output::{print, print_json},
    target,
};
use contract::AttentionEntry;
use domain::{
    Concern, Money, OrderId, PaymentEvent, PaymentEventKind, PaymentId, TransactionId,
    WebhookProvider,
};
use store::{PgPool, attention};
use workflows::PaymentEventSignal;

/// Timeout of the wait for the end of the entry. The worker continues after that.
const TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

pub(super) async fn resolve_entry(arguments: ResolveEntry) -> Result<()> {
    let pool = target::open_database().await?;
    let id = arguments.id.as_str();
    let entry = attention::find(&pool, id).await?.with_context(|| {
        format!(
            "entry {id}: not found or already closed; `orderflow money list` shows the open entries"
        )
    })?;
    let event = resolution(&entry, arguments.note.clone(), arguments.operator.clone())?;
    let provider = event.provider;
    if event.concerns_order() {
        let signal = PaymentEventSignal::new(event);
        target::connect_orders()?
            .send_payment_event(signal)
            .await
            .map_err(|error| anyhow!("{error}; run `orderflow check`"))?;
    }
    // An entry of a webhook event has no payment, so a movement cannot close it.
    if let Some(event_id) = webhook_event_id(&entry) {
        attention::resolve_webhook_event(&pool, provider.as_str(), event_id, &arguments.note)
            .await?;
    }
    wait_until_closed(&pool, id).await?;
    if arguments.output.json {
        return print_json(&json!({"id": id, "closed": true, "note": arguments.note}));
    }
    print(&format!("closed: {id}, {}", format_amount(&entry)))
}

/// Returns the event that closes the entry. A repeated command for the same entry has the same event
/// id, so it has no second effect.
fn resolution(
    entry: &AttentionEntry,
    note: String,
    operator: Option<String>,
) -> Result<PaymentEvent> {
    let subject = entry
        .id
        .strip_suffix(entry.concern.as_str())
        .and_then(|subject| subject.strip_suffix(':'))
        .unwrap_or(&entry.id);
    let amount = amount_of(entry).map(Money::minor).unwrap_or_default();
    Ok(PaymentEvent {
        // A payment that a caller confirmed has no provider.
        provider: WebhookProvider::parse(&entry.provider).unwrap_or(WebhookProvider::Standard),
        event_id: event_id(subject, entry.concern, amount, entry.since),
        order_id: parse("order id", entry.order_id.as_deref(), OrderId::parse)?,
        transaction_id: parse(
            "transaction id",
            entry.transaction_id.as_deref(),
            TransactionId::parse,
        )?,
        aliases: Vec::new(),
        customer: None,
        payment_id: parse("payment id", entry.payment_id.as_deref(), PaymentId::parse)?,
        kind: PaymentEventKind::Resolved {
            concern: entry.concern.to_string(),
            note,
            operator,
        },
    })
}

/// Returns `resolved:{subject}:{concern}:{amount}:{since}`, with the time in microseconds. A long
/// subject loses its beginning, because an event id has at most 200 bytes.
fn event_id(subject: &str, concern: Concern, amount: i64, since: DateTime<Utc>) -> String {
    const LONGEST: usize = 200;
    let end = format!(":{concern}:{amount}:{}", since.timestamp_micros());
    let space = LONGEST - "resolved:".len() - end.len();
    // Ids are ASCII, so each byte is a character.
    let subject = subject
        .get(subject.len().saturating_sub(space)..)
        .unwrap_or_default();
    format!("resolved:{subject}{end}")
}

fn parse<T, E: std::fmt::Display>(
    name: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>> {
    text.map(|text| parse(text).map_err(|error| anyhow!("{name} {text}: {error}")))
        .transpose()
}

/// Returns the id of the webhook event that caused an entry without a payment.
fn webhook_event_id(entry: &AttentionEntry) -> Option<&str> {
    if entry.payment_id.is_some() {
        return None;
    }
    entry
        .id
        .strip_prefix(entry.provider.as_str())?
        .strip_prefix(':')?
        .strip_suffix(entry.concern.as_str())?
        .strip_suffix(':')
}

async fn wait_until_closed(pool: &PgPool, id: &str) -> Result<()> {
    let began = Instant::now();
    while attention::find(pool, id).await?.is_some() {
        if began.elapsed() > TIMEOUT {
            bail!(
                "entry {id}: Temporal accepted the resolution, but the entry is still open after {} s; \
                 run `orderflow check`, and later `orderflow money show {id}`",
                TIMEOUT.as_secs()
            );
        }
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Currency;

    fn entry(id: &str, concern: Concern, payment_id: Option<&str>) -> AttentionEntry {
        AttentionEntry {
            id: id.to_owned(),
            concern,
            amount: "50.00".parse().ok(),
            currency: Currency::parse("USD").ok(),
            transaction_id: Some("pi_1".to_owned()),
            provider: "stripe".to_owned(),
            payment_id: payment_id.map(str::to_owned),
            order_id: Some("A".to_owned()),
            order_status: None,
            since: DateTime::UNIX_EPOCH,
            next_step: String::new(),
        }
    }

    #[test]
    fn resolution_of_one_amount_has_one_event_id() {
        let id = "stripe:pi_1:refund_due";
        let due = entry(id, Concern::RefundDue, Some("stripe:pi_1"));
        let event = resolution(&due, "paid".to_owned(), None).unwrap();
        assert_eq!(event.event_id, "resolved:stripe:pi_1:refund_due:5000:0");
        assert_eq!(event.provider, WebhookProvider::Stripe);
        assert_eq!(webhook_event_id(&due), None);
        let mut external = due;
        external.provider = "external".to_owned();
        let event = resolution(&external, String::new(), None).unwrap();
        assert_eq!(event.provider, WebhookProvider::Standard);
    }

    #[test]
    fn event_id_of_a_long_subject_is_valid() {
        let long = event_id(
            &"a".repeat(400),
            Concern::AuthorisationEnded,
            Money::LARGEST,
            DateTime::UNIX_EPOCH,
        );
        assert_eq!(long.len(), 200);
        assert!(long.ends_with(":authorisation_ended:999999999999999:0"));
    }

    #[test]
    fn entry_without_payment_names_its_webhook_event() {
        let entry = entry("stripe:evt:1:unconfirmed", Concern::Unconfirmed, None);
        assert_eq!(webhook_event_id(&entry), Some("evt:1"));
    }
}
