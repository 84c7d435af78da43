//! `test-workflow`: every way an order can go, on any deployment, one line each.

use std::{
    fmt,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use chrono::Utc;
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::interval;

use super::{arguments::TestWorkflow, scenarios};
use crate::{
    orders::api::{Answer, Api, Problem},
    output::{bad, good, print, print_json},
};

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

#[derive(Debug, Serialize)]
struct Line {
    scenario: &'static str,
    /// `passed`, `failed` or `skipped`.
    outcome: &'static str,
    detail: String,
    seconds: f64,
}

/// Fails when one scenario does.
pub(crate) async fn test_workflow(arguments: TestWorkflow) -> Result<ExitCode> {
    let bench = Bench {
        api: Api::of(arguments.url.as_deref())?.patiently(),
        run: format!("test-{:x}", Utc::now().timestamp_micros()),
    };
    bench.api.health().await?;
    let mut lines = Vec::new();
    for (name, scenario) in scenarios::all(&bench) {
        let began = Instant::now();
        let (outcome, detail) = match scenario.await {
            Ok(detail) => ("passed", detail),
            Err(error) if error.is::<Skip>() => ("skipped", error.to_string()),
            Err(error) => ("failed", format!("{error:#}")),
        };
        let line = Line {
            scenario: name,
            outcome,
            detail,
            seconds: began.elapsed().as_secs_f64(),
        };
        if !arguments.output.json {
            let verdict = match outcome {
                "passed" => good("ok     "),
                "failed" => bad("FAILED "),
                _ => "skipped".to_owned(),
            };
            print(&format!(
                "{verdict}  {:<38} {:>5.1} s  {}",
                line.scenario, line.seconds, line.detail
            ))?;
        }
        lines.push(line);
    }
    let failed = lines.iter().filter(|line| line.outcome == "failed").count();
    if arguments.output.json {
        print_json(&lines)?;
    }
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "error: {failed} of {} scenarios failed; look at `orderflow check` and the orders {}-*",
        lines.len(),
        bench.run
    );
    Ok(ExitCode::FAILURE)
}

/// What the scenarios work with.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) api: Api,
    /// Begins every id of this run.
    pub(super) run: String,
}

impl Bench {
    pub(super) fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.run)
    }

    /// Starts an order under an id of this run. A profile that the deployment does not allow skips the scenario.
    pub(super) async fn start(
        &self,
        name: &str,
        profile: Option<&str>,
        payment: bool,
    ) -> Result<String> {
        let id = self.id(name);
        let mut body = super::order(&self.run);
        if payment {
            body["payment_id"] = json!(format!("pmt-{id}"));
        }
        if let Some(profile) = profile {
            body["profile"] = json!(profile);
        }
        match self
            .call(Method::POST, &format!("orders/{id}/start"), Some(&body))
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

    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<std::result::Result<Answer, Problem>> {
        self.api
            .attempt(method, path, body.map(Value::to_string), None)
            .await
    }

    pub(super) async fn signal(&self, id: &str, name: &str, body: Value) -> Result<Answer> {
        Ok(self
            .call(
                Method::POST,
                &format!("orders/{id}/signals/{name}"),
                Some(&body),
            )
            .await??)
    }

    /// The refusal of a signal, which must have this code.
    pub(super) async fn refused(
        &self,
        id: &str,
        name: &str,
        body: Value,
        code: &str,
    ) -> Result<()> {
        match self
            .call(
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

    pub(super) async fn state(&self, id: &str) -> Result<Value> {
        Ok(self
            .call(Method::GET, &format!("orders/{id}"), None)
            .await??
            .body)
    }

    /// Waits until the order is so; an order that ends before is a failure.
    pub(super) async fn until(
        &self,
        id: &str,
        what: &str,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(200)));
        loop {
            ticks.tick().await;
            let state = self.state(id).await?;
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
    pub(super) async fn end(&self, id: &str) -> Result<Value> {
        let ended = |state: &Value| state["is_running"] == false;
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(200)));
        let mut shipped = None;
        loop {
            ticks.tick().await;
            let state = self.state(id).await?;
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
                    .call(
                        Method::POST,
                        &format!("orders/{id}/signals/confirm-delivery"),
                        Some(&json!({})),
                    )
                    .await?;
            }
        }
    }

    /// Waits for the end, which must be this one.
    pub(super) async fn ends_as(
        &self,
        id: &str,
        statuses: &[&str],
        payment: Option<&str>,
    ) -> Result<Value> {
        let state = self.end(id).await?;
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
