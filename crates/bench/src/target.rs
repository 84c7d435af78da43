//! One order of a design, from its start to its end.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client as HttpClient;
use serde::Serialize;
use serde_json::{Value, json};
use temporalio_client::{Client, UntypedWorkflow, WorkflowGetResultOptions, WorkflowStartOptions};
use temporalio_common::data_converters::{PayloadConverter, RawValue};
use tokio::time::{Instant, timeout};

use crate::{
    load::Timing,
    plain::{self, PlainOrder},
};
use contract::order_workflow_id;
use domain::{OrderId, OrderStatus};
use workflows::OrderWorkflow;

/// The longest time of one order.
const PATIENCE: Duration = Duration::from_secs(120);

/// A design that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// This project, over HTTP.
    Orderflow,
    /// The workflow of [`crate::plain`], which Temporal starts without HTTP.
    Plain,
}

impl Design {
    /// Returns the name in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orderflow => "orderflow",
            Self::Plain => "plain",
        }
    }

    /// Returns the name of the design's database.
    pub(crate) fn database(self) -> &'static str {
        self.as_str()
    }
}

/// The receiver of a phase's orders.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) temporal: Client,
    pub(crate) http: HttpClient,
    /// The URL of the API; `None` for the plain design.
    pub(crate) api_url: Option<String>,
    /// A name that no other phase has.
    pub(crate) phase: String,
    pub(crate) skus: u32,
    pub(crate) delivery: Duration,
}

/// An order that has ended.
pub(crate) struct Ended {
    pub(crate) workflow_id: String,
    pub(crate) timing: Timing,
}

impl Target {
    /// Starts an order and waits until it is delivered. The durations begin at `due`.
    pub(crate) async fn run_order(&self, number: u32, due: Instant) -> Result<Ended> {
        let running = async {
            let sku = format!("SKU-{}", number % self.skus);
            match &self.api_url {
                Some(url) => self.run_over_http(url, number, &sku, due).await,
                None => self.run_plain(number, sku, due).await,
            }
        };
        timeout(PATIENCE, running)
            .await
            .with_context(|| {
                format!(
                    "order {number}: not delivered within {} s",
                    PATIENCE.as_secs()
                )
            })?
            .with_context(|| format!("order {number}"))
    }

    async fn run_over_http(
        &self,
        url: &str,
        number: u32,
        sku: &str,
        due: Instant,
    ) -> Result<Ended> {
        let body = json!({
            "customer": {"id": format!("BENCH-{}", number % 1_000), "name": "John Doe", "email": "john@example.com"},
            "items": [{"sku": sku, "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
            "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
            "payment": {"payment_id": format!("pmt-{}-{number}", self.phase)},
        });
        let request = self.http.post(format!("{url}/orders")).json(&body);
        let response = request.send().await.context("POST /orders failed")?;
        let status = response.status();
        let body: Value = response
            .json()
            .await
            .context("POST /orders returned no JSON")?;
        let start = due.elapsed();
        ensure!(
            status == 202,
            "POST /orders returned status {status}: {body}"
        );
        let id = body["order_id"]
            .as_str()
            .and_then(|id| OrderId::parse(id).ok())
            .context("the response of POST /orders has no order_id")?;
        let workflow_id = order_workflow_id(&id);
        let outcome = self
            .temporal
            .get_workflow_handle::<OrderWorkflow>(workflow_id.clone())
            .get_result(WorkflowGetResultOptions::default())
            .await
            .context("the workflow failed")?;
        let end = due.elapsed();
        if outcome.status != OrderStatus::Delivered {
            bail!("{id} ended {}, not delivered", outcome.status);
        }
        Ok(Ended {
            workflow_id,
            timing: Timing { start, end },
        })
    }

    async fn run_plain(&self, number: u32, sku: String, due: Instant) -> Result<Ended> {
        let order = PlainOrder {
            id: format!("{}-{number}", self.phase),
            customer: format!("BENCH-{}", number % 1_000),
            sku,
            amount_cents: 9_999,
            delivery_ms: u64::try_from(self.delivery.as_millis()).unwrap_or(u64::MAX),
        };
        let workflow_id = plain::workflow_id(&order.id);
        let input = RawValue::from_value(&order, &PayloadConverter::default());
        let options = WorkflowStartOptions::new(plain::TASK_QUEUE, workflow_id.clone()).build();
        let handle = self
            .temporal
            .start_workflow(UntypedWorkflow::new(plain::WORKFLOW), input, options)
            .await
            .context("the workflow was not started")?;
        let start = due.elapsed();
        handle
            .get_result(WorkflowGetResultOptions::default())
            .await
            .context("the workflow failed")?;
        Ok(Ended {
            workflow_id,
            timing: Timing {
                start,
                end: due.elapsed(),
            },
        })
    }
}
