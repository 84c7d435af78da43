//! `webhooks list` and `webhooks show`: from the database, where each event is with what came of it.

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::arguments::{ListWebhookEvents, WebhookEventArguments};
use crate::{
    output::{format_fields, format_table, print, print_json},
    target,
};
use contract::parse_order_workflow_id;
use domain::{OrderId, WebhookOutcome};
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
    // People paste workflow ids too.
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
        let such = if arguments.outcome.is_some() || about.is_some() {
            "such "
        } else {
            ""
        };
        return print(&format!(
            "no {such}events of payment providers; `orderflow webhook send` sends one to try"
        ));
    }
    let row = |delivery: &WebhookEvent| {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            time(delivery.received_at),
            delivery.provider.clone(),
            delivery.event_id.clone(),
            kind(delivery).to_owned(),
            or_none(&delivery.order_id),
            delivery.outcome.clone(),
            delivery.detail.clone().unwrap_or_default(),
        ]
    };
    let names = [
        "RECEIVED", "PROVIDER", "EVENT", "SAYS", "ORDER", "OUTCOME", "DETAIL",
    ];
    print(&format_table(
        &names,
        &found.iter().map(row).collect::<Vec<_>>(),
    ))
}

pub(super) async fn show_webhook_event(arguments: WebhookEventArguments) -> Result<()> {
    let delivery = find_webhook_event(&target::open_database().await?, &arguments).await?;
    if arguments.output.json {
        print_json(&webhook_event_json(&delivery))
    } else {
        print(&format_webhook_event(&delivery))
    }
}

/// The event of this name.
pub(super) async fn find_webhook_event(
    pool: &PgPool,
    event: &WebhookEventArguments,
) -> Result<WebhookEvent> {
    let mut found = webhook_events::find_by_event_id(pool, &event.id, event.provider).await?;
    match (found.pop(), found.len()) {
        (Some(delivery), 0) => Ok(delivery),
        (Some(_), _) => bail!(
            "two providers have an event {}; name one with --provider",
            event.id
        ),
        (None, _) => bail!(
            "there is no event {}; `orderflow webhooks list` shows the newest, each once a worker has taken it",
            event.id
        ),
    }
}

/// All about one event, for people.
pub(super) fn format_webhook_event(delivery: &WebhookEvent) -> String {
    let amount = || {
        let minor = delivery.event.pointer("/amount/minor")?.as_i64()?;
        let currency = delivery.event.pointer("/amount/currency")?.as_str()?;
        Some(
            domain::Money::from_minor(minor, domain::Currency::parse(currency).ok()?)
                .ok()?
                .to_string(),
        )
    };
    let word = |name: &str| {
        delivery
            .event
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let reason = [word("reason"), word("event_type"), word("stage")].concat();
    let says = [
        kind(delivery).to_owned(),
        amount().unwrap_or_default(),
        reason,
    ];
    let outcome = WebhookOutcome::parse(&delivery.outcome);
    format_fields(&[
        ("event", delivery.event_id.clone()),
        ("provider", delivery.provider.clone()),
        (
            "says",
            says.into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("order", delivery.order_id.clone().unwrap_or_default()),
        (
            "transaction",
            delivery.transaction_id.clone().unwrap_or_default(),
        ),
        ("received", time(delivery.received_at)),
        ("outcome", delivery.outcome.clone()),
        ("detail", delivery.detail.clone().unwrap_or_default()),
        ("since", time(delivery.updated_at)),
        (
            "to do",
            outcome
                .map(|outcome| to_do(delivery, outcome))
                .unwrap_or_default(),
        ),
    ])
}

/// What an operator does about it; docs/webhooks.md has the same as a table.
fn to_do(delivery: &WebhookEvent, outcome: WebhookOutcome) -> String {
    let provider = &delivery.provider;
    let order = delivery
        .order_id
        .as_deref()
        .filter(|id| OrderId::parse(id).is_ok())
        .unwrap_or("ORDER_ID");
    let transaction = delivery.transaction_id.as_deref().unwrap_or("the payment");
    match outcome {
        WebhookOutcome::Pending => {
            format!(
                "nothing, for a moment; if it stays so: orderflow check, orderflow describe {}",
                settlement(delivery)
            )
        }
        WebhookOutcome::Applied
        | WebhookOutcome::Known
        | WebhookOutcome::Refunded
        | WebhookOutcome::Ignored => "nothing".to_owned(),
        WebhookOutcome::Recorded if kind(delivery) == "disputed" => {
            format!("answer the dispute at {provider}, in time")
        }
        WebhookOutcome::Recorded if kind(delivery) == "refund_failed" => {
            format!("give {transaction} back at {provider} by other means")
        }
        WebhookOutcome::Recorded => {
            format!("nothing; it stands in the order's trail: orderflow events {order}")
        }
        WebhookOutcome::Refused => {
            format!(
                "look whose payment {transaction} is: orderflow webhooks list --order {transaction}"
            )
        }
        WebhookOutcome::RefundDue if delivery.order_id.is_none() => {
            format!(
                "find out at {provider} whose money {transaction} is, and give it back there by hand: nobody else will"
            )
        }
        WebhookOutcome::RefundDue => {
            format!("give {transaction} back at {provider} by hand: nobody else will")
        }
        WebhookOutcome::UnknownOrder => {
            format!(
                "find out at {provider} what {transaction} is for; when its order is there: orderflow webhooks replay {}",
                delivery.event_id
            )
        }
        WebhookOutcome::Unconfirmed => {
            format!(
                "look {transaction} up at {provider}; if it pays an order: orderflow confirm-payment {order} …"
            )
        }
        WebhookOutcome::Unreadable => {
            format!("look the event up at {provider}: it was signed, and nothing came of it")
        }
    }
}

/// The workflow that settles it.
fn settlement(delivery: &WebhookEvent) -> String {
    let subject = delivery
        .transaction_id
        .as_deref()
        .unwrap_or(&delivery.event_id);
    format!("settlement-{}-{subject}", delivery.provider)
}

fn kind(delivery: &WebhookEvent) -> &str {
    delivery
        .event
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("-")
}

pub(super) fn webhook_event_json(delivery: &WebhookEvent) -> Value {
    json!({
        "provider": delivery.provider,
        "event_id": delivery.event_id,
        "order_id": delivery.order_id,
        "transaction_id": delivery.transaction_id,
        "kind": kind(delivery),
        "outcome": delivery.outcome,
        "detail": delivery.detail,
        "received_at": delivery.received_at,
        "updated_at": delivery.updated_at,
        "event": delivery.event,
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
