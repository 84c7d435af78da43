//! The orders of a run: each is started, perhaps changed or cancelled, and watched until its end.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::join_all;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    acceptance::{arguments::Chaos, sample_order::sample_order},
    orders::api_client::{ApiClient, ApiResponse},
};

/// The pause before a call is repeated that got no answer, and between two reads of an order.
const PAUSE: Duration = Duration::from_millis(500);

/// A request during the life of an order.
#[derive(Debug, Clone, Copy)]
enum Action {
    Nothing,
    Cancel,
    ChangeAddress,
}

/// One order of the run.
#[derive(Debug)]
struct Planned {
    id: String,
    /// The start, from the start of the run.
    start: Duration,
    action: Action,
    /// The action, from the start of the order.
    action_after: Duration,
}

/// The ends of all orders.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) delivered: usize,
    pub(super) cancelled: usize,
    pub(super) wrong: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Orders {
    api: ApiClient,
    planned: Vec<Planned>,
}

impl Orders {
    pub(super) fn new(url: &str, arguments: &Chaos) -> Result<Self> {
        let mut rng = SmallRng::seed_from_u64(arguments.seed);
        let time = Duration::from_secs(arguments.seconds.into());
        let planned = (0..arguments.orders)
            .map(|number| Planned {
                id: format!("chaos-{}-{number}", arguments.seed),
                start: time.mul_f64(rng.random_range(0.0..0.8)),
                action: match rng.random_range(0..10) {
                    0 | 1 => Action::Cancel,
                    2 => Action::ChangeAddress,
                    _ => Action::Nothing,
                },
                action_after: Duration::from_millis(rng.random_range(0..5_000)),
            })
            .collect();
        Ok(Self {
            api: ApiClient::from_url(url)?,
            planned,
        })
    }

    /// Runs all orders. An order that has not ended at `end` is wrong.
    pub(super) async fn run(&self, end: Instant) -> Ended {
        let began = Instant::now();
        let runs = self.planned.iter().map(async |order| {
            sleep_until(began + order.start).await;
            tokio::time::timeout_at(end, self.run_order(order)).await
        });
        let mut ended = Ended::default();
        for (order, result) in self.planned.iter().zip(join_all(runs).await) {
            match result {
                Ok(Ok("cancelled")) => ended.cancelled += 1,
                Ok(Ok(_)) => ended.delivered += 1,
                Ok(Err(error)) => ended.wrong.push(format!("{}: {error:#}", order.id)),
                Err(_) => ended
                    .wrong
                    .push(format!("{}: did not end in time", order.id)),
            }
        }
        ended
    }

    async fn run_order(&self, order: &Planned) -> Result<&'static str> {
        let id = order.id.as_str();
        let mut body = sample_order(id);
        body["payment"] = json!({"payment_id": format!("pmt-{id}")});
        self.call(Method::POST, &format!("orders/{id}/start"), &body)
            .await?;
        sleep(order.action_after).await;
        match order.action {
            Action::Nothing => {}
            // A refusal is right, too: the parcel may be on its way.
            Action::Cancel => {
                let path = format!("orders/{id}/signals/cancel");
                self.call(Method::POST, &path, &json!({})).await?;
            }
            Action::ChangeAddress => {
                let path = format!("orders/{id}/signals/update-address");
                let street = json!({"street": "1 Other Street"});
                self.call(Method::POST, &path, &street).await?;
            }
        }
        loop {
            let state = self
                .call(Method::GET, &format!("orders/{id}"), &Value::Null)
                .await?;
            if let Some(state) = state.filter(|state| !state.is_true("/is_running")) {
                return judge(order.action, &state);
            }
            sleep(PAUSE).await;
        }
    }

    /// Makes a call until the API decides about it. Returns `None` if the API refused it.
    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Option<ApiResponse>> {
        loop {
            let text = (!body.is_null()).then(|| body.to_string());
            match self.api.try_call(method.clone(), path, text, None).await {
                Ok(Ok(response)) => return Ok(Some(response)),
                Ok(Err(problem)) if problem.status == 500 => {
                    bail!("{method} {path}: {problem}")
                }
                Ok(Err(problem)) if problem.status < 500 => return Ok(None),
                // The API or a server behind it is down.
                Ok(Err(_)) | Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

fn judge(action: Action, state: &ApiResponse) -> Result<&'static str> {
    let payment = state.text_at("/payment_info/status");
    match (action, state.text_at("/status"), payment) {
        (_, "delivered", "captured") => Ok("delivered"),
        // A cancel before the charge leaves no payment.
        (Action::Cancel, "cancelled", "" | "refunded" | "declined") => Ok("cancelled"),
        (_, status, payment) => {
            bail!("ended {status} with payment {payment:?} after {action:?}")
        }
    }
}
