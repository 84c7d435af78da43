//! One run of the acceptance scenarios: its API client, its order ids and the waits that the
//! scenarios share.

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

/// Timeout of one wait for an order; a step of the profile `production` takes seconds.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Time after which a shipped order is taken to wait for a delivery confirmation.
const CONFIRM_AFTER: Duration = Duration::from_secs(6);

/// The reason why a scenario cannot run with this deployment; the scenario is skipped.
#[derive(Debug)]
pub(super) struct Skip(pub(super) String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// One run of the scenarios against one API.
#[derive(Debug)]
pub(super) struct TestRun {
    pub(super) api: ApiClient,
    /// Prefix of every id of this run.
    pub(super) id_prefix: String,
}

impl TestRun {
    pub(super) fn order_id(&self, name: &str) -> String {
        format!("{}-{name}", self.id_prefix)
    }

    /// Starts an order with an id of this run. Skips the scenario if the deployment forbids the
    /// profile.
    pub(super) async fn start_order(
        &self,
        name: &str,
        profile: Option<&str>,
        payment: bool,
    ) -> Result<String> {
        let mut body = sample_order(&self.id_prefix);
        if payment {
            body["payment_id"] = json!(format!("pmt-{}", self.order_id(name)));
        }
        if let Some(profile) = profile {
            body["profile"] = json!(profile);
        }
        self.start_order_of(name, &body).await
    }

    /// Starts an order with this body. Skips the scenario if the deployment forbids its profile.
    pub(super) async fn start_order_of(&self, name: &str, body: &Value) -> Result<String> {
        let id = self.order_id(name);
        match self
            .call_api(Method::POST, &format!("orders/{id}/start"), Some(body))
            .await?
        {
            Ok(_) => Ok(id),
            Err(problem) if problem.fields.iter().any(|field| field == "/profile") => {
                let profile = body["profile"].as_str().unwrap_or_default();
                Err(Skip(format!(
                    "requires the profile {profile}, but requests cannot set one here (ALLOW_PROFILE_OVERRIDE)"
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

    /// Sends a request that must have no second effect when it is repeated. Skips the scenario if the
    /// credential has no scope for it.
    pub(super) async fn post_or_skip(
        &self,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Result<ApiResponse> {
        self.call_or_skip(Method::POST, path, Some(body), Some(key))
            .await
    }

    /// Reads a path. Skips the scenario if the credential has no scope for it.
    pub(super) async fn get_or_skip(&self, path: &str) -> Result<Value> {
        let read = self.call_or_skip(Method::GET, path, None, None).await?;
        Ok(read.body)
    }

    /// Makes a call. Skips the scenario if the credential has no scope for it.
    pub(super) async fn call_or_skip(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<ApiResponse> {
        let sent = body.map(Value::to_string);
        match self.api.try_call(method, path, sent, key).await? {
            Err(problem) if problem.status == 403 => {
                Err(Skip(format!("the credential has no scope for /{path}")).into())
            }
            result => Ok(result?),
        }
    }

    /// Waits until a refund or a return has this state.
    pub(super) async fn wait_for_state(&self, path: &str, state: &str) -> Result<()> {
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(200)));
        loop {
            ticks.tick().await;
            let found = self.call_api(Method::GET, path, None).await??.body;
            if found["state"] == state {
                return Ok(());
            }
            if began.elapsed() > TIMEOUT {
                bail!("/{path} is {}, expected {state}", found["state"]);
            }
        }
    }

    /// Sends a signal that must be rejected with this code.
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
                "signal {name} of {id}: rejected with {}, expected {code}",
                problem.code
            ),
            Ok(_) => bail!("signal {name} of {id}: accepted, expected {code}"),
        }
    }

    pub(super) async fn read_order(&self, id: &str) -> Result<Value> {
        Ok(self
            .call_api(Method::GET, &format!("orders/{id}"), None)
            .await??
            .body)
    }

    /// Waits until the order meets a condition. Fails if the order ends before that.
    pub(super) async fn wait_until(
        &self,
        id: &str,
        expected: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(200)));
        loop {
            ticks.tick().await;
            let state = self.read_order(id).await?;
            if condition(&state) {
                return Ok(state);
            }
            if state["failure"]["code"] == "out_of_stock" {
                return Err(
                    Skip("ABC123 is out of stock; see `orderflow stock set`".to_owned()).into(),
                );
            }
            if state["is_running"] == false || began.elapsed() > TIMEOUT {
                bail!(
                    "order {id} is {} (step {}), expected {expected}",
                    state["status"],
                    state["step"]
                );
            }
        }
    }

    /// Waits for the end, and confirms the delivery if the order waits for a confirmation.
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
            if began.elapsed() > TIMEOUT {
                bail!(
                    "order {id} did not end: it is {} (step {})",
                    state["status"],
                    state["step"]
                );
            }
            if state["status"] == "shipped"
                && shipped.get_or_insert_with(Instant::now).elapsed() > CONFIRM_AFTER
            {
                // The order may have been delivered in the meantime, so the result does not matter.
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

    /// Waits for the end and checks status and payment.
    pub(super) async fn expect_end(
        &self,
        id: &str,
        statuses: &[&str],
        payment: Option<&str>,
    ) -> Result<Value> {
        let state = self.wait_for_end(id).await?;
        if state["failure"]["code"] == "out_of_stock" && !statuses.contains(&"failed") {
            return Err(
                Skip("ABC123 is out of stock; see `orderflow stock set`".to_owned()).into(),
            );
        }
        let has_status = statuses.iter().any(|status| state["status"] == *status);
        let paid = state["payment_info"]["status"].as_str();
        let has_payment = paid == payment || (payment.is_none() && paid != Some("captured"));
        if !has_status || !has_payment {
            bail!(
                "order {id} ended {} with payment {}, expected {} with payment {}",
                state["status"],
                paid.unwrap_or("none"),
                statuses.join(" or "),
                payment.unwrap_or("none")
            );
        }
        Ok(state)
    }
}
