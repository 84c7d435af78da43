//! `webhook send`: signs a sample event as a payment provider does, sends it and prints the
//! response.

use anyhow::{Context, Result, anyhow, bail};
use chrono::Utc;
use reqwest::Method;
use serde_json::json;

use super::{arguments::SendWebhook, secrets};
use crate::{
    orders::api_client::{ApiClient, ApiResponse, Problem},
    output::{format_fields, print, print_json},
};
use domain::{
    Currency, Decimal, Money, OrderId, PaymentEvent, PaymentEventKind, TransactionId,
    WebhookProvider,
};
use payment_webhooks::{
    Deployment, Environment, Facts, Message, Request, SampleError, SampleKind, Secrets, Signing,
};

pub(super) async fn send_webhook(arguments: SendWebhook) -> Result<()> {
    let (provider, kind) = (arguments.provider, arguments.event);
    let (secrets, notification_url) = secrets::find_secrets(provider)?;
    let api = ApiClient::from_url_or_env(arguments.url.as_deref())?;
    let subject = find_subject(&api, &arguments).await?;
    let now = Utc::now();
    let generate_id = |prefix: &str| format!("{prefix}_test_{:x}", now.timestamp_micros());
    let event_id = arguments.event_id.unwrap_or_else(|| generate_id("evt"));
    let transaction_id = match subject.transaction_id {
        Some(transaction_id) => transaction_id,
        None => TransactionId::parse(&generate_id("tx"))
            .context("a generated transaction id is valid")?,
    };
    let facts = Facts {
        order_id: &subject.order_id,
        amount: subject.amount,
        transaction_id: &transaction_id,
        event_id: &event_id,
        now: now.timestamp(),
    };
    let message = payment_webhooks::sample(provider, kind, &facts)
        .map_err(|error| explain_sample_error(&error))?;
    let signing = Signing {
        now: facts.now,
        message_id: &event_id,
        notification_url: notification_url.as_deref(),
    };
    let message = payment_webhooks::sign(&secrets, message, &signing)?;
    let event = verify_message(&secrets, &message, &signing)?;
    let (status, response) = api
        .send_webhook(provider, &message.headers, message.body)
        .await?;
    if !(200..300).contains(&status) {
        bail!(
            "{}",
            explain_rejection(provider, status, &Problem::parse_code(&response))
        );
    }
    let response = response.trim();
    if arguments.output.json {
        return print_json(&json!({
            "provider": provider,
            "event": kind.as_str(),
            "event_id": event.event_id,
            "order_id": subject.order_id,
            "transaction_id": transaction_id,
            "amount": subject.amount.decimal(),
            "currency": subject.amount.currency().code(),
            "status": status,
            "answer": response,
        }));
    }
    let mut next = format!("orderflow webhooks show {}", event.event_id);
    if subject.exists {
        next += &format!("\norderflow events {}", subject.order_id);
    }
    let sent = format_fields(&[
        (
            "sent",
            format!(
                "event of {provider} for {}: {}, {}",
                subject.order_id,
                kind.as_str(),
                subject.amount
            ),
        ),
        ("event", event.event_id),
        ("transaction", transaction_id.to_string()),
        ("answer", format!("{status} {response}")),
        ("note", unconfirmed_note(provider, &event.kind)),
    ]);
    print(&format!("{sent}\nsee the outcome with:\n{next}"))
}

/// The order and the payment of a test event.
struct Subject {
    order_id: OrderId,
    exists: bool,
    amount: Money,
    transaction_id: Option<TransactionId>,
}

/// Returns the given values, and the order's values for those that are not given. The order need
/// not exist if amount and currency are given.
async fn find_subject(api: &ApiClient, arguments: &SendWebhook) -> Result<Subject> {
    let order = match api.call_order(Method::GET, &arguments.id, &[], None).await {
        Ok(order) => Some(order),
        Err(error)
            if error
                .downcast_ref()
                .is_some_and(|problem: &Problem| problem.code == "order_not_found") =>
        {
            if arguments.amount.is_none() || arguments.currency.is_none() {
                bail!(
                    "{error} To send an event about an unknown order, give --amount and --currency."
                );
            }
            None
        }
        Err(error) => return Err(error),
    };
    let order_text = |pointer: &str| {
        order
            .as_ref()
            .map_or("", |order: &ApiResponse| order.text_at(pointer))
    };
    let currency = match arguments.currency {
        Some(currency) => currency,
        None => Currency::parse(order_text("/currency"))
            .context("currency: the order has none yet; give --currency")?,
    };
    let total = || {
        order
            .as_ref()?
            .body
            .get("total_amount")
            .filter(|total| total.is_number())
            .map(ToString::to_string)
    };
    let amount = arguments
        .amount
        .clone()
        .or_else(total)
        .context("amount: the order has no total yet; give --amount")?;
    let decimal: Decimal = amount
        .parse()
        .map_err(|error| anyhow!("an amount {error}"))?;
    let exact = Money::from_decimal(decimal, currency);
    let transaction_id = arguments.transaction_id.as_deref().or_else(|| {
        Some(order_text("/payment_info/transaction_id"))
            .filter(|transaction_id| !transaction_id.is_empty())
    });
    let id = if order.is_some() {
        order_text("/order_id")
    } else {
        &arguments.id
    };
    Ok(Subject {
        order_id: OrderId::parse(id).map_err(|error| anyhow!("an order id {error}"))?,
        exists: order.is_some(),
        amount: exact.map_err(|error| anyhow!("amount {amount} {currency}: {error}"))?,
        transaction_id: transaction_id
            .map(TransactionId::parse)
            .transpose()
            .map_err(|error| anyhow!("a transaction id {error}"))?,
    })
}

/// Parses the message as the API does. The API derives the event id if the provider's format has
/// none.
fn verify_message(
    secrets: &Secrets,
    message: &Message,
    signing: &Signing<'_>,
) -> Result<PaymentEvent> {
    let headers = message.header_pairs();
    let request = Request {
        headers: &headers,
        body: &message.body,
        now: signing.now,
        notification_url: signing.notification_url,
    };
    let verified = payment_webhooks::verify(secrets, &request)
        .map_err(|_| anyhow!("the signed message does not pass verification"))?;
    payment_webhooks::events(&verified, &Deployment::new(Environment::Test))
        .into_iter()
        .next()
        .context("a sample message contains an event")
}

fn explain_sample_error(error: &SampleError) -> anyhow::Error {
    match error {
        SampleError::NoSuchEvent { provider, .. } => {
            let kind = |kind: SampleKind| kind.as_str();
            let all: Vec<_> = SampleKind::ALL
                .iter()
                .copied()
                .filter(|kind| payment_webhooks::has_sample(*provider, *kind))
                .collect();
            let all = all.into_iter().map(kind).collect::<Vec<_>>().join(", ");
            anyhow!("{error}; use --event {all}")
        }
        SampleError::Amount { .. } => anyhow!("{error}; use another --amount or --currency"),
    }
}

/// Explains a response that is not 2xx, with the next step.
fn explain_rejection(provider: WebhookProvider, status: u16, code: &str) -> String {
    let name = payment_webhooks::secrets_variable(provider);
    let url = if provider == WebhookProvider::Square {
        format!(" and {}", payment_webhooks::SQUARE_URL)
    } else {
        String::new()
    };
    match code {
        "route_not_found" => format!(
            "the API has no secret for {provider} ({status} {code}); set {name} for the API, then run `orderflow restart api`"
        ),
        "webhook_rejected" | "webhook_token_invalid" => format!(
            "the API rejected the signature ({status} {code}); use the API's {name}{url}, and compare the clocks"
        ),
        "temporal_unavailable" | "database_unavailable" => format!(
            "the API is unavailable ({status} {code}); {provider} would retry, run `orderflow check`"
        ),
        "" => format!(
            "the API answered {status} without an error code; set ORDERFLOW_URL to the URL of an orderflow API"
        ),
        _ => {
            format!(
                "the API rejected the event ({status} {code}); see `orderflow logs --service api`"
            )
        }
    }
}

/// Returns a note for an event that cannot confirm a payment.
fn unconfirmed_note(provider: WebhookProvider, kind: &PaymentEventKind) -> String {
    match kind {
        PaymentEventKind::Unconfirmed { .. } => format!(
            "an event of {provider} lacks the order, amount or currency: it is shown to operators and pays nothing"
        ),
        PaymentEventKind::Paid { .. }
        | PaymentEventKind::Authorised { .. }
        | PaymentEventKind::AttemptFailed { .. }
        | PaymentEventKind::Voided { .. }
        | PaymentEventKind::CaptureFailed { .. }
        | PaymentEventKind::Processing
        | PaymentEventKind::Refunded { .. }
        | PaymentEventKind::RefundFailed { .. }
        | PaymentEventKind::Returned { .. }
        | PaymentEventKind::Disputed { .. }
        | PaymentEventKind::Warning { .. }
        | PaymentEventKind::CompletedUnpaid { .. }
        | PaymentEventKind::ReportRefused { .. }
        | PaymentEventKind::Resolved { .. }
        | PaymentEventKind::Ignored { .. }
        | PaymentEventKind::Unreadable { .. } => String::new(),
    }
}
