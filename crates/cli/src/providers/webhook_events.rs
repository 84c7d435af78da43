//! `webhooks list` and `webhooks show`: both read the database, which has every event and its
//! outcome.

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::arguments::{ListWebhookEvents, WebhookEventArguments};
use crate::{
    money::open_entries,
    output::{format_fields, format_table, print, print_json},
    target,
};
use contract::parse_order_workflow_id;
use domain::{Currency, Money, OrderId, WebhookOutcome};
use store::{
    PgPool,
    webhook_events::{self, WebhookEvent},
};

pub(super) async fn list_webhook_events(arguments: ListWebhookEvents) -> Result<()> {
    let pool = target::open_database().await?;
    let find = async |about: Option<&str>| {
        webhook_events::list(&pool, arguments.outcome, about, arguments.limit).await
    };
    let about = arguments.order.as_deref();
    let mut found = find(about).await?;
    // The id may also be a workflow id.
    if let Some(order_id) = about
        .filter(|_| found.is_empty())
        .and_then(parse_order_workflow_id)
    {
        found = find(Some(order_id.as_str())).await?;
    }
    if arguments.output.json {
        return print_json(&found.iter().map(webhook_event_json).collect::<Vec<_>>());
    }
    if found.is_empty() {
        let matching = if arguments.outcome.is_some() || about.is_some() {
            "matching "
        } else {
            ""
        };
        return print(&format!(
            "no {matching}webhook events; send a test event with `orderflow webhook send`"
        ));
    }
    let row = |event: &WebhookEvent| {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            time(event.received_at),
            event.provider.clone(),
            event.event_id.clone(),
            kind(event).to_owned(),
            amount_of(event).map_or_else(|| "-".to_owned(), |amount| amount.to_string()),
            or_none(&event.order_id),
            event.outcome.clone(),
            event.detail.clone().unwrap_or_default(),
        ]
    };
    let names = [
        "RECEIVED", "PROVIDER", "EVENT", "KIND", "AMOUNT", "ORDER", "OUTCOME", "DETAIL",
    ];
    print(&format_table(
        &names,
        &found.iter().map(row).collect::<Vec<_>>(),
    ))
}

pub(super) async fn show_webhook_event(arguments: WebhookEventArguments) -> Result<()> {
    let pool = target::open_database().await?;
    let event = find_webhook_event(&pool, &arguments).await?;
    if arguments.output.json {
        return print_json(&webhook_event_json(&event));
    }
    let steps = find_next_steps(&pool, &event).await?;
    print(&format_webhook_event(&event, &steps))
}

/// Returns the next steps of the work list's entries about the event's payment. Without an entry, the
/// outcome of the event has the next step.
pub(super) async fn find_next_steps(pool: &PgPool, event: &WebhookEvent) -> Result<String> {
    let mut entries = match &event.transaction_id {
        Some(transaction) => open_entries(pool, transaction).await?,
        None => Vec::new(),
    };
    // An entry without a payment is about one event.
    let of_event = format!(":{}:", event.event_id);
    entries.retain(|entry| entry.payment_id.is_some() || entry.id.contains(&of_event));
    if entries.is_empty() {
        let outcome = WebhookOutcome::parse(&event.outcome);
        return Ok(outcome
            .map(|outcome| next_step(event, outcome))
            .unwrap_or_default());
    }
    let steps: Vec<_> = entries.into_iter().map(|entry| entry.next_step).collect();
    Ok(steps.join("\n"))
}

/// Finds the event with the given id and provider.
pub(super) async fn find_webhook_event(
    pool: &PgPool,
    event: &WebhookEventArguments,
) -> Result<WebhookEvent> {
    let mut found = webhook_events::find_by_event_id(pool, &event.id, event.provider).await?;
    match (found.pop(), found.len()) {
        (Some(event), 0) => Ok(event),
        (Some(_), _) => bail!(
            "event {}: two providers sent an event with this id; choose one with --provider",
            event.id
        ),
        (None, _) => bail!(
            "event {}: not found; `orderflow webhooks list` shows the newest events, once a worker has recorded them",
            event.id
        ),
    }
}

/// Formats all facts about an event, and the next step.
pub(super) fn format_webhook_event(event: &WebhookEvent, next_steps: &str) -> String {
    let amount = amount_of(event).map(|amount| amount.to_string());
    let member = |name: &str| {
        event
            .event
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let names = ["reason", "event_type", "stage", "warning", "concern"];
    let meaning = [kind(event).to_owned(), amount.unwrap_or_default()];
    let meaning = meaning.into_iter().chain(names.map(member));
    format_fields(&[
        ("event", event.event_id.clone()),
        ("provider", event.provider.clone()),
        (
            "kind",
            meaning
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("order", event.order_id.clone().unwrap_or_default()),
        (
            "transaction",
            event.transaction_id.clone().unwrap_or_default(),
        ),
        ("received", time(event.received_at)),
        ("outcome", event.outcome.clone()),
        ("detail", event.detail.clone().unwrap_or_default()),
        ("updated", time(event.updated_at)),
        ("next step", next_steps.to_owned()),
    ])
}

/// Returns the operator's next step for an event; `docs/webhooks.md` has the same list.
fn next_step(event: &WebhookEvent, outcome: WebhookOutcome) -> String {
    let provider = &event.provider;
    let order = event
        .order_id
        .as_deref()
        .filter(|id| OrderId::parse(id).is_ok())
        .unwrap_or("ORDER_ID");
    let transaction = event.transaction_id.as_deref().unwrap_or("the payment");
    match outcome {
        WebhookOutcome::Pending => {
            format!(
                "wait a moment; if the outcome stays pending, run: orderflow check, orderflow describe {}",
                settlement_id(event)
            )
        }
        WebhookOutcome::Applied
        | WebhookOutcome::Known
        | WebhookOutcome::Refunded
        | WebhookOutcome::Ignored => "none".to_owned(),
        WebhookOutcome::Recorded => next_step_of_recorded(event, order, transaction),
        WebhookOutcome::Refused if is_payment(event) => {
            format!(
                "find the order that {transaction} paid for: orderflow money show {transaction}"
            )
        }
        WebhookOutcome::Refused => {
            format!("see why the order refused the event: orderflow events {order}")
        }
        WebhookOutcome::RefundDue if event.order_id.is_none() => {
            format!(
                "find the customer of {transaction} at {provider} and refund it there; orderflow cannot refund it. \
                 See what is still due: orderflow money show {transaction}"
            )
        }
        WebhookOutcome::RefundDue => {
            format!(
                "refund {transaction} at {provider}; orderflow cannot refund it. \
                 See what is still due: orderflow money show {transaction}"
            )
        }
        WebhookOutcome::UnknownOrder => {
            format!(
                "find the order of {transaction} at {provider}; once the order exists, run: orderflow webhooks replay {}",
                event.event_id
            )
        }
        WebhookOutcome::Unconfirmed if reports_no_payment(event) => {
            format!(
                "look up {transaction} at {provider} and the order: orderflow show {order}; the event confirms no payment"
            )
        }
        WebhookOutcome::Unconfirmed => {
            format!(
                "find {transaction} at {provider}; if it pays for an order, run: orderflow confirm-payment {order} …"
            )
        }
        WebhookOutcome::Unreadable => {
            format!(
                "find the event at {provider}; its signature is valid, but its contents could not be read"
            )
        }
    }
}

/// Returns the next step for an event that the order's audit log has.
fn next_step_of_recorded(event: &WebhookEvent, order: &str, transaction: &str) -> String {
    let provider = &event.provider;
    let stage = event.event.get("stage").and_then(Value::as_str);
    match kind(event) {
        "disputed" if stage == Some("opened") => {
            format!("answer the dispute at {provider} before its deadline")
        }
        "disputed" if stage == Some("lost") => {
            format!("the dispute is lost; see the amount with: orderflow money show {transaction}")
        }
        "refund_failed" => format!(
            "the refund failed: repay {transaction} at {provider} in another way; \
             see what is still due: orderflow money show {transaction}"
        ),
        "failed" | "capture_failed" | "returned" | "warning" => format!(
            "see whether money is missing or needs a decision: orderflow money show {transaction}"
        ),
        "completed_unpaid" => {
            format!(
                "see whether the order still waits for money: orderflow money list --order {order}"
            )
        }
        _ => format!("none; the event is in the order's audit log: orderflow events {order}"),
    }
}

/// Returns whether the event offers a payment to an order.
fn is_payment(event: &WebhookEvent) -> bool {
    matches!(kind(event), "paid" | "authorised")
}

/// Returns whether an unconfirmed event must never lead to a confirmation.
fn reports_no_payment(event: &WebhookEvent) -> bool {
    let event_type = event.event.get("event_type").and_then(Value::as_str);
    event_type.is_some_and(domain::reports_no_payment)
}

/// Returns the amount of an event, if the provider reported one.
fn amount_of(event: &WebhookEvent) -> Option<Money> {
    let minor = event.event.pointer("/amount/minor")?.as_i64()?;
    let currency = event.event.pointer("/amount/currency")?.as_str()?;
    Money::from_minor(minor, Currency::parse(currency).ok()?).ok()
}

/// Returns the id of the settlement workflow of an event.
fn settlement_id(event: &WebhookEvent) -> String {
    let subject = event.transaction_id.as_deref().unwrap_or(&event.event_id);
    format!("settlement-{}-{subject}", event.provider)
}

fn kind(event: &WebhookEvent) -> &str {
    event
        .event
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("-")
}

pub(super) fn webhook_event_json(event: &WebhookEvent) -> Value {
    json!({
        "provider": event.provider,
        "event_id": event.event_id,
        "order_id": event.order_id,
        "transaction_id": event.transaction_id,
        "kind": kind(event),
        "amount": amount_of(event).map(Money::decimal),
        "currency": amount_of(event).map(Money::currency),
        "outcome": event.outcome,
        "detail": event.detail,
        "received_at": event.received_at,
        "updated_at": event.updated_at,
        "event": event.event,
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(outcome: WebhookOutcome, event: Value) -> WebhookEvent {
        WebhookEvent {
            provider: "gocardless".to_owned(),
            event_id: "EV1".to_owned(),
            order_id: Some("A".to_owned()),
            transaction_id: Some("PM1".to_owned()),
            outcome: outcome.to_string(),
            detail: None,
            event,
            received_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_reports_of_payments_ask_for_a_confirmation() {
        for (event_type, is_payment) in [
            ("payments.confirmed", true),
            ("payments.paid_out", true),
            ("orders/paid", true),
            ("payments.failed", false),
            ("payments.charged_back", false),
            ("payments.chargeback_settled", false),
            ("payments.cancelled", false),
            ("payments.customer_approval_denied", false),
            ("refunds.created", false),
            ("payments.refunded", false),
            ("charge.refund.updated", false),
        ] {
            let kind = json!({"kind": "unconfirmed", "event_type": event_type});
            let step = next_step(
                &event(WebhookOutcome::Unconfirmed, kind),
                WebhookOutcome::Unconfirmed,
            );
            assert_eq!(
                step.contains("confirm-payment"),
                is_payment,
                "{event_type}: {step}"
            );
        }
    }

    #[test]
    fn next_step_depends_on_kind_and_outcome() {
        for (kind, outcome, expected) in [
            (json!({"kind": "paid"}), WebhookOutcome::Applied, "none"),
            (
                json!({"kind": "refunded"}),
                WebhookOutcome::Recorded,
                "none;",
            ),
            (
                json!({"kind": "disputed", "stage": "opened"}),
                WebhookOutcome::Recorded,
                "answer the dispute",
            ),
            (
                json!({"kind": "disputed", "stage": "won"}),
                WebhookOutcome::Recorded,
                "none;",
            ),
            (
                json!({"kind": "disputed", "stage": "lost"}),
                WebhookOutcome::Recorded,
                "the dispute is lost",
            ),
            (
                json!({"kind": "refund_failed"}),
                WebhookOutcome::Recorded,
                "the refund failed",
            ),
            (
                json!({"kind": "capture_failed"}),
                WebhookOutcome::Recorded,
                "see whether money is missing",
            ),
            (
                json!({"kind": "completed_unpaid"}),
                WebhookOutcome::Recorded,
                "see whether the order still waits",
            ),
            (
                json!({"kind": "paid"}),
                WebhookOutcome::Refused,
                "find the order that PM1 paid for",
            ),
            (
                json!({"kind": "disputed"}),
                WebhookOutcome::Refused,
                "see why the order refused",
            ),
        ] {
            let step = next_step(&event(outcome, kind.clone()), outcome);
            assert!(step.starts_with(expected), "{kind} {outcome}: {step}");
        }
    }

    #[test]
    fn amount_of_an_event_has_its_currency() {
        let paid = json!({"kind": "paid", "amount": {"minor": 999, "currency": "USD"}});
        let paid = event(WebhookOutcome::Applied, paid);
        assert_eq!(webhook_event_json(&paid)["currency"], "USD");
        assert_eq!(amount_of(&paid).unwrap().to_string(), "9.99 USD");
        let unknown = event(WebhookOutcome::Applied, json!({"kind": "processing"}));
        assert_eq!(webhook_event_json(&unknown)["amount"], Value::Null);
    }
}
