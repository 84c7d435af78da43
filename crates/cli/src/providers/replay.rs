//! `webhooks replay`: sends an event to its workflow again, as the webhook function does, and
//! waits.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use tokio::time::sleep;

use super::{arguments::WebhookEventArguments, webhook_events};
use crate::{
    output::{print, print_json},
    target,
};
use contract::settlement_workflow_id;
use domain::PaymentEvent;
use order_client::OrderClient;
use store::{PgPool, webhook_events::WebhookEvent};
use workflows::PaymentEventSignal;

/// Timeout of the wait for the outcome. The workflow continues after that.
const TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Time that an order may take to write an outcome. Without an outcome, the event changed nothing.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn replay_webhook_event(arguments: WebhookEventArguments) -> Result<()> {
    let pool = target::open_database().await?;
    let before = webhook_events::find_webhook_event(&pool, &arguments).await?;
    let event: PaymentEvent = serde_json::from_value(before.event.clone()).with_context(|| {
        format!(
            "event {}: its contents were not stored; resend it from the provider",
            arguments.id
        )
    })?;
    let orders = target::connect_orders()?;
    let settlement = settlement_workflow_id(&event);
    let signal = PaymentEventSignal {
        again: true,
        ..PaymentEventSignal::new(event)
    };
    orders
        .send_payment_event(signal)
        .await
        .map_err(|error| anyhow!("{error}; run `orderflow check`"))?;
    let after = wait_for_outcome(&pool, &orders, &arguments, &before, &settlement).await?;
    if arguments.output.json {
        let mut document = webhook_events::webhook_event_json(&after);
        document["outcome_before"] = json!(before.outcome);
        document["is_new"] = json!(after.updated_at != before.updated_at);
        return print_json(&document);
    }
    let headline = if after.updated_at == before.updated_at {
        format!(
            "no change: the order already had this event; the outcome is {} as before",
            after.outcome
        )
    } else if after.outcome == before.outcome {
        format!(
            "processed again: the outcome is {} as before",
            after.outcome
        )
    } else {
        format!(
            "processed again: the outcome is {}, it was {} before",
            after.outcome, before.outcome
        )
    };
    let steps = webhook_events::find_next_steps(&pool, &after).await?;
    print(&format!(
        "{headline}\n{}",
        webhook_events::format_webhook_event(&after, &steps)
    ))
}

/// Waits until the outcome of the replayed event is written.
async fn wait_for_outcome(
    pool: &PgPool,
    orders: &OrderClient,
    event: &WebhookEventArguments,
    before: &WebhookEvent,
    settlement: &str,
) -> Result<WebhookEvent> {
    let began = Instant::now();
    let mut settled = None;
    loop {
        let now = webhook_events::find_webhook_event(pool, event).await?;
        if now.updated_at != before.updated_at
            || settled.is_some_and(|at: Instant| at.elapsed() > WRITE_TIMEOUT)
        {
            return Ok(now);
        }
        if settled.is_none()
            && orders
                .describe_workflow(settlement)
                .await
                .is_ok_and(|found| found.closed_at.is_some())
        {
            settled = Some(Instant::now());
        }
        if began.elapsed() > TIMEOUT {
            bail!(
                "replay: Temporal accepted the event, but no outcome was written within {} s; run `orderflow check` and \
                 `orderflow describe {settlement}`, and later `orderflow webhooks show {}`",
                TIMEOUT.as_secs(),
                event.id
            );
        }
        sleep(POLL_INTERVAL).await;
    }
}
