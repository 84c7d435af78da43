//! `events`.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::{api::Api, arguments::Events, state::GLANCE};
use crate::output::print;

pub(crate) async fn events(arguments: Events) -> Result<()> {
    let (api, order) = (Api::open()?, arguments.order);
    let api = if arguments.follow {
        api.patiently()
    } else {
        api
    };
    let mut ticks = interval(GLANCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut after = 0;
    loop {
        // Asked before the events: those that came until it ended are in the next answer.
        let ended = arguments.follow
            && !api
                .order(Method::GET, &order.id, &["status"], None)
                .await?
                .is("/is_running");
        after = page(&api, &order.id, after, order.output.json).await?;
        if !arguments.follow || ended {
            return Ok(());
        }
        ticks.tick().await;
    }
}

/// Prints what came after the entry `after`, one line each, and tells the last.
async fn page(api: &Api, id: &str, mut after: u64, json: bool) -> Result<u64> {
    const PAGE: usize = 200;
    loop {
        let answer = api
            .order(
                Method::GET,
                id,
                &[&format!("events?after={after}&limit={PAGE}")],
                None,
            )
            .await?;
        let Some(events) = answer.body.get("events").and_then(Value::as_array) else {
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
