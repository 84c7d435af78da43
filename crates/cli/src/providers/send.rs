//! `webhook send`: the provider's side of a webhook, with what its side is told.

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
    Environment, Facts, Message, Request, SampleError, SampleKind, Secrets, Signing,
};

pub(super) async fn send_webhook(arguments: SendWebhook) -> Result<()> {
    let (provider, kind) = (arguments.provider, arguments.event);
    let (secrets, notification_url) = secrets::find_secrets(provider)?;
    let api = ApiClient::from_url_or_env(arguments.url.as_deref())?;
    let about = about(&api, &arguments).await?;
    let now = Utc::now();
    let made_up = |prefix: &str| format!("{prefix}_test_{:x}", now.timestamp_micros());
    let event_id = arguments.event_id.unwrap_or_else(|| made_up("evt"));
    let transaction_id = match about.transaction_id {
        Some(transaction_id) => transaction_id,
        None => {
            TransactionId::parse(&made_up("tx")).context("a made-up transaction id must be one")?
        }
    };
    let facts = Facts {
        order_id: &about.order_id,
        amount: about.amount,
        transaction_id: &transaction_id,
        event_id: &event_id,
        now: now.timestamp(),
    };
    let message =
        payment_webhooks::sample(provider, kind, &facts).map_err(|error| no_sample(&error))?;
    let signing = Signing {
        now: facts.now,
        message_id: &event_id,
        notification_url: notification_url.as_deref(),
    };
    let message = payment_webhooks::sign(&secrets, message, &signing)?;
    let event = meaning(&secrets, &message, &signing)?;
    let (status, said) = api
        .send_webhook(provider, &message.headers, message.body)
        .await?;
    if !(200..300).contains(&status) {
        bail!("{}", refused(provider, status, &Problem::parse_code(&said)));
    }
    let said = said.trim();
    if arguments.output.json {
        return print_json(&json!({
            "provider": provider,
            "event": kind.as_str(),
            "event_id": event.event_id,
            "order_id": about.order_id,
            "transaction_id": transaction_id,
            "amount": about.amount.decimal(),
            "currency": about.amount.currency().code(),
            "status": status,
            "answer": said,
        }));
    }
    let mut next = format!("orderflow webhooks show {}", event.event_id);
    if about.is_there {
        next += &format!("\norderflow events {}", about.order_id);
    }
    let sent = format_fields(&[
        (
            "sent",
            format!(
                "{} as {provider} tells it: {}, {}",
                about.order_id,
                kind.as_str(),
                about.amount
            ),
        ),
        ("event", event.event_id),
        ("transaction", transaction_id.to_string()),
        ("answer", format!("{status} {said}")),
        ("means", unconfirmed(provider, &event.kind)),
    ]);
    print(&format!("{sent}\nlook at what comes of it with:\n{next}"))
}

/// What the notification is about.
struct About {
    order_id: OrderId,
    is_there: bool,
    amount: Money,
    transaction_id: Option<TransactionId>,
}

/// As typed, and what was not typed as the order has it. An order that nobody knows may be paid, too.
async fn about(api: &ApiClient, arguments: &SendWebhook) -> Result<About> {
    let order = match api.call_order(Method::GET, &arguments.id, &[], None).await {
        Ok(order) => Some(order),
        Err(error)
            if error
                .downcast_ref()
                .is_some_and(|problem: &Problem| problem.code == "order_not_found") =>
        {
            if arguments.amount.is_none() || arguments.currency.is_none() {
                bail!(
                    "{error} With --amount and --currency a notification is sent about an order that is not there."
                );
            }
            None
        }
        Err(error) => return Err(error),
    };
    let of_order = |pointer: &str| {
        order
            .as_ref()
            .map_or("", |order: &ApiResponse| order.text_at(pointer))
    };
    let currency = match arguments.currency {
        Some(currency) => currency,
        None => Currency::parse(of_order("/currency"))
            .context("the order names no currency yet; add --currency")?,
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
        .context("the order has no total yet; add --amount")?;
    let decimal: Decimal = amount
        .parse()
        .map_err(|error| anyhow!("an amount {error}"))?;
    let exact = Money::from_decimal(decimal, currency);
    let typed = arguments.transaction_id.as_deref().or_else(|| {
        Some(of_order("/payment_info/transaction_id"))
            .filter(|transaction_id| !transaction_id.is_empty())
    });
    let id = if order.is_some() {
        of_order("/order_id")
    } else {
        &arguments.id
    };
    Ok(About {
        order_id: OrderId::parse(id).map_err(|error| anyhow!("an order's id {error}"))?,
        is_there: order.is_some(),
        amount: exact.map_err(|error| anyhow!("{amount} {currency} is no amount: {error}"))?,
        transaction_id: typed
            .map(TransactionId::parse)
            .transpose()
            .map_err(|error| anyhow!("a transaction's id {error}"))?,
    })
}

/// What the receiver will read: also which id it gives the event, where the provider's events have none of their own.
fn meaning(secrets: &Secrets, message: &Message, signing: &Signing<'_>) -> Result<PaymentEvent> {
    let headers = message.header_pairs();
    let request = Request {
        headers: &headers,
        body: &message.body,
        now: signing.now,
        notification_url: signing.notification_url,
    };
    let verified = payment_webhooks::verify(secrets, &request)
        .map_err(|_| anyhow!("what was signed here does not verify"))?;
    payment_webhooks::events(&verified, Environment::Test)
        .into_iter()
        .next()
        .context("a sample holds an event")
}

fn no_sample(error: &SampleError) -> anyhow::Error {
    match error {
        SampleError::NoSuchEvent { provider, .. } => {
            let kind = |kind: SampleKind| kind.as_str();
            let all: Vec<_> = SampleKind::ALL
                .into_iter()
                .filter(|kind| payment_webhooks::has_sample(*provider, *kind))
                .collect();
            let all = all.into_iter().map(kind).collect::<Vec<_>>().join(", ");
            anyhow!("{error}; it has --event {all}")
        }
        SampleError::Amount { .. } => anyhow!("{error}; name another --amount or --currency"),
    }
}

/// What a provider would have got back that is no 2xx, and what to do about it.
fn refused(provider: WebhookProvider, status: u16, code: &str) -> String {
    let name = payment_webhooks::secrets_variable(provider);
    let url = if provider == WebhookProvider::Square {
        format!(", or another {}", payment_webhooks::SQUARE_URL)
    } else {
        String::new()
    };
    match code {
        "route_not_found" => format!(
            "{provider} is off there ({status} {code}): set {name} where the API runs, then `orderflow restart api`"
        ),
        "webhook_rejected" | "webhook_token_invalid" => format!(
            "the API refused the signature ({status} {code}): it has another {name} than this command{url}, or another clock"
        ),
        "temporal_unavailable" | "database_unavailable" => format!(
            "the API can't take it now ({status} {code}), and {provider} would send it again: look at `orderflow check`"
        ),
        "" => format!("the API answered {status}; is ORDERFLOW_URL an orderflow API?"),
        _ => {
            format!("the API refused it ({status} {code}): look at `orderflow logs --service api`")
        }
    }
}

/// A word on events that pay nothing, whatever the provider calls them.
fn unconfirmed(provider: WebhookProvider, kind: &PaymentEventKind) -> String {
    match kind {
        PaymentEventKind::Unconfirmed { .. } => format!(
            "{provider} does not tell order, amount and currency together: this is shown to operators and pays nothing"
        ),
        PaymentEventKind::Paid { .. }
        | PaymentEventKind::AttemptFailed { .. }
        | PaymentEventKind::Failed { .. }
        | PaymentEventKind::Processing
        | PaymentEventKind::Refunded { .. }
        | PaymentEventKind::RefundFailed { .. }
        | PaymentEventKind::Disputed { .. }
        | PaymentEventKind::Ignored { .. }
        | PaymentEventKind::Unreadable { .. } => String::new(),
    }
}
