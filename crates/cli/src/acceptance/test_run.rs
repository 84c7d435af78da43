//! One run of the acceptance scenarios: its API client, its order ids and the waits that the scenarios share.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::interval;

use super::sample_order::sample_order;
use crate::orders::api_client::{ApiClient, ApiResponse, Problem};

/// Of one step of an order; far more than any needs where `production` waits for nobody.
const PATIENCE: Duration = Duration::from_secs(90);
/// A shipment that nobody has confirmed after this long waits for a confirmation.
const UNCONFIRMED: Duration = Duration::from_secs(6);

/// Why something could not be tested here, which is no failure.
#[derive(Debug)]
pub(super) struct Skip(pub(super) String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// What the scenarios work with.
#[derive(Debug)]
pub(super) struct TestRun {
    pub(super) api: ApiClient,
    /// Begins every id of this run.
    pub(super) run: String,
}

impl TestRun {
    pub(super) fn order_id(&self, name: &str) -> String {
        format!("{}-{name}", self.run)
    }

    /// Starts an order under an id of this run. A profile that the deployment does not allow skips the scenario.
    pub(super) async fn start_order(
        &self,
        name: &str,
        profile: Option<&str>,
        payment: bool,
    ) -> Result<String> {
        let id = self.order_id(name);
        let mut body = sample_order(&self.run);
        if payment {
            body["payment_id"] = json!(format!("pmt-{id}"));
        }
        if let Some(profile) = profile {
            body["profile"] = json!(profile);
        }
        match self
            .call_api(Method::POST, &format!("orders/{id}/start"), Some(&body))
            .await?
        {
            Ok(_) => Ok(id),
            Err(problem) if problem.fields.iter().any(|field| field == "/profile") => {
                let profile = profile.unwrap_or_default();
                Err(Skip(format!(
                    "needs the profile {profile}, and requests may name none here (ALLOW_PROFILE_OVERRIDE)"
                ))
                .into())
            }
            Err(problem) => Err(problem.into()),
        }
    }

    pub(super) async fn call_api(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        self.api
            .try_call(method, path, body.map(Value::to_string), None)
            .await
    }

    pub(super) async fn send_signal(
        &self,
        id: &str,
        name: &str,
        body: Value,
    ) -> Result<ApiResponse> {
        Ok(self
            .call_api(
                Method::POST,
                &format!("orders/{id}/signals/{name}"),
                Some(&body),
            )
            .await??)
    }

    /// The refusal of a signal, which must have this code.
    pub(super) async fn expect_refusal(
        &self,
        id: &str,
        name: &str,
        body: Value,
        code: &str,
    ) -> Result<()> {
        match self
            .call_api(
                Method::POST,
                &format!("orders/{id}/signals/{name}"),
                Some(&body),
            )
            .await?
        {
            Err(problem) if problem.code == code => Ok(()),
            Err(problem) => bail!(
                "{name} of {id} was refused as {}, not as {code}",
                problem.code
            ),
            Ok(_) => bail!("{name} of {id} was accepted, not refused as {code}"),
        }
    }

    pub(super) async fn read_order(&self, id: &str) -> Result<Value> {
        Ok(self
            .call_api(Method::GET, &format!("orders/{id}"), None)
            .await??
            .body)
    }

    /// Waits until the order is so; an order that ends before is a failure.
    pub(super) async fn wait_until(
        &self,
        id: &str,
        what: &str,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(200)));
        loop {
            ticks.tick().await;
            let state = self.read_order(id).await?;
            if so(&state) {
                return Ok(state);
            }
            if state["failure"]["code"] == "out_of_stock" {
                return Err(Skip(
                    "ABC123 is out of stock here; see `orderflow stock set`".to_owned(),
                )
                .into());
            }
            if state["is_running"] == false || began.elapsed() > PATIENCE {
                bail!(
                    "{id} is {} (step {}), not {what}",
                    state["status"],
                    state["step"]
                );
            }
        }
    }

    /// Waits for the end, and confirms the delivery where somebody has to.
    pub(super) async fn wait_for_end(&self, id: &str) -> Result<Value> {
        let ended = |state: &Value| state["is_running"] == false;
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(200)));
        let mut shipped = None;
        loop {
            ticks.tick().await;
            let state = self.read_order(id).await?;
            if ended(&state) {
                return Ok(state);
            }
            if began.elapsed() > PATIENCE {
                bail!(
                    "{id} did not end: it is {} (step {})",
                    state["status"],
                    state["step"]
                );
            }
            if state["status"] == "shipped"
                && shipped.get_or_insert_with(Instant::now).elapsed() > UNCONFIRMED
            {
                // It may have been delivered by now, which is as good.
                let _ = self
                    .call_api(
                        Method::POST,
                        &format!("orders/{id}/signals/confirm-delivery"),
                        Some(&json!({})),
                    )
                    .await?;
            }
        }
    }

    /// Waits for the end, which must be this one.
    pub(super) async fn expect_end(
        &self,
        id: &str,
        statuses: &[&str],
        payment: Option<&str>,
    ) -> Result<Value> {
        let state = self.wait_for_end(id).await?;
        if state["failure"]["code"] == "out_of_stock" && !statuses.contains(&"failed") {
            return Err(
                Skip("ABC123 is out of stock here; see `orderflow stock set`".to_owned()).into(),
            );
        }
        let is_so = statuses.iter().any(|status| state["status"] == *status);
        let paid = state["payment_info"]["status"].as_str();
        let is_paid_so = paid == payment || (payment.is_none() && paid != Some("captured"));
        if !is_so || !is_paid_so {
            bail!(
                "{id} ended {} with payment {}, not {} with {}",
                state["status"],
                paid.unwrap_or("none"),
                statuses.join(" or "),
                payment.unwrap_or("none")
            );
        }
        Ok(state)
    }
}
