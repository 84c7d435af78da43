//! `webhooks replay`: an event once more, as the webhook function would hand it over, and what comes of it.

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

/// How long to wait for what comes of it; it goes on afterwards.
const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(200);

/// An order writes at once what comes of an event; after this, it had nothing to write.
const ORDERS_MOMENT: Duration = Duration::from_secs(3);

pub(super) async fn replay_webhook_event(arguments: WebhookEventArguments) -> Result<()> {
    let pool = target::open_database().await?;
    let before = webhook_events::find_webhook_event(&pool, &arguments).await?;
    let event: PaymentEvent = serde_json::from_value(before.event.clone()).with_context(|| {
        format!(
            "what {} said was not kept; have the provider send it again",
            arguments.id
        )
    })?;
    let orders = target::connect_orders()?;
    let settlement = settlement_workflow_id(&event);
    let notice = PaymentEventSignal {
        event,
        declined: false,
        again: true,
        grace: None,
    };
    orders
        .send_payment_event(notice)
        .await
        .map_err(|error| anyhow!("{error}; look at `orderflow check`"))?;
    let after = outcome(&pool, &orders, &arguments, &before, &settlement).await?;
    if arguments.output.json {
        let mut document = webhook_events::webhook_event_json(&after);
        document["outcome_before"] = json!(before.outcome);
        document["is_new"] = json!(after.updated_at != before.updated_at);
        return print_json(&document);
    }
    let came = if after.updated_at == before.updated_at {
        format!(
            "nothing came of it: its order had it already, {} as before",
            after.outcome
        )
    } else if after.outcome == before.outcome {
        format!("it was looked at again: {}, as before", after.outcome)
    } else {
        format!(
            "it was looked at again: {}, it was {} before",
            after.outcome, before.outcome
        )
    };
    print(&format!(
        "{came}\n{}",
        webhook_events::format_webhook_event(&after)
    ))
}

/// What is written of the event once it was looked at again.
async fn outcome(
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
            || settled.is_some_and(|at: Instant| at.elapsed() > ORDERS_MOMENT)
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
        if began.elapsed() > PATIENCE {
            bail!(
                "Temporal has it, and nothing came of it within {} s: look at `orderflow check`, `orderflow describe \
                 {settlement}` and later at `orderflow webhooks show {}`",
                PATIENCE.as_secs(),
                event.id
            );
        }
        sleep(AGAIN).await;
    }
}
