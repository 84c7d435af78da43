//! `events`.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::{api_client::ApiClient, arguments::EventsArguments, state::POLL_INTERVAL};
use crate::output::print;

pub(crate) async fn show_audit_events(arguments: EventsArguments) -> Result<()> {
    let (api, order) = (ApiClient::from_env()?, arguments.order);
    let api = if arguments.follow {
        api.with_retries()
    } else {
        api
    };
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut after = 0;
    loop {
        // The status is read first: if it is final, the events read next are complete.
        let ended = arguments.follow
            && !api
                .call_order(Method::GET, &order.id, &["status"], None)
                .await?
                .is_true("/is_running");
        after = print_events(&api, &order.id, after, order.output.json).await?;
        if !arguments.follow || ended {
            return Ok(());
        }
        ticks.tick().await;
    }
}

/// Prints the audit events after number `after`, one line each, and returns the last number.
async fn print_events(api: &ApiClient, id: &str, mut after: u64, json: bool) -> Result<u64> {
    const PAGE: usize = 200;
    loop {
        let response = api
            .call_order(
                Method::GET,
                id,
                &[&format!("events?after={after}&limit={PAGE}")],
                None,
            )
            .await?;
        let Some(events) = response.body.get("events").and_then(Value::as_array) else {
            return Ok(after);
        };
        for event in events {
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            let seq = event.get("seq").and_then(Value::as_u64).unwrap_or(after);
            let payload = event
                .get("payload")
                .filter(|payload| **payload != Value::Object(serde_json::Map::new()));
            let payload = payload.map(Value::to_string).unwrap_or_default();
            let line = || format!("{seq:>4}  {}  {:<22} {payload}", text("ts"), text("type"));
            print(&if json {
                event.to_string()
            } else {
                line().trim_end().to_owned()
            })?;
            after = seq;
        }
        if events.len() < PAGE {
            return Ok(after);
        }
    }
}
