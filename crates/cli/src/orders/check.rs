//! `check`: every dependency in turn, one line each.

use super::api::Api;
use crate::{
    args::Output,
    output::{bad, good, print, print_json},
    target,
};
use anyhow::Result;
use client::{Orders, QueueState};
use serde::Serialize;
use std::process::ExitCode;

/// How one check went: what is there, or what is wrong and what to do about it.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Finding {
    fn good(check: &str, detail: impl Into<String>) -> Self {
        Self { check: check.to_owned(), ok: true, detail: detail.into(), remedy: None }
    }

    fn bad(check: &str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { check: check.to_owned(), ok: false, detail: detail.into(), remedy: Some(remedy) }
    }

    fn line(&self) -> String {
        let Self { check, detail, .. } = self;
        let verdict = if self.ok { good("ok    ") } else { bad("FAILED") };
        let remedy = self.remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default();
        format!("{verdict}  {check:22}  {detail}{remedy}")
    }
}

const UP: &str = "start the stack with `orderflow up`";

/// Fails when one of them does.
pub(crate) async fn check(output: Output) -> Result<ExitCode> {
    let mut findings = database().await;
    findings.extend(temporal().await?);
    findings.push(api().await);
    if output.json {
        print_json(&findings)?;
    } else {
        for finding in &findings {
            print(&finding.line())?;
        }
    }
    let all = findings.iter().all(|finding| finding.ok);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn database() -> Vec<Finding> {
    let Some(url) = target::database_url() else {
        return vec![Finding::bad("database", "DATABASE_URL is not set and no stack runs here", UP)];
    };
    let pool = match store::connect(&url).await {
        Ok(pool) => pool,
        // Not the chain: the driver's words may carry the URL.
        Err(error) => return vec![Finding::bad("database", error.to_string(), UP)],
    };
    let reached = Finding::good("database", "reachable");
    let migrations = match store::migrations(&pool).await {
        Ok(all) => migrations(&all),
        Err(error) => Finding::bad("migrations", error.to_string(), UP),
    };
    let mail = mail(&pool).await;
    pool.close().await;
    vec![reached, migrations, mail]
}

/// A mail server that is away shows in the outbox: what waits there for more than a minute should have gone out.
async fn mail(pool: &store::PgPool) -> Finding {
    const SLOW: i64 = 60;
    let place = target::mail_url().map(|url| format!("{url}; ")).unwrap_or_default();
    match store::notifications::backlog(pool).await {
        Ok(backlog) if backlog.oldest_seconds > SLOW => Finding::bad(
            "mail",
            format!("{place}{} wait, the oldest for {} s", backlog.pending, backlog.oldest_seconds),
            "does the mail server run? `orderflow restart mail`, `orderflow logs --service worker`",
        ),
        Ok(backlog) => {
            Finding::good("mail", format!("{place}{} wait, {} were refused", backlog.pending, backlog.failed))
        }
        Err(error) => Finding::bad("mail", error.to_string(), "`orderflow restart` applies the migrations"),
    }
}

fn migrations(all: &[store::Migration]) -> Finding {
    let missing: Vec<_> = all
        .iter()
        .filter(|migration| !migration.is_applied)
        .map(|migration| format!("{:04} {}", migration.version, migration.description))
        .collect();
    if missing.is_empty() {
        Finding::good("migrations", format!("all {} applied", all.len()))
    } else {
        Finding::bad("migrations", format!("missing: {}", missing.join(", ")), "apply them with `orderflow migrate`")
    }
}

async fn temporal() -> Result<Vec<Finding>> {
    let settings = target::temporal()?;
    let place = format!("{}, namespace {}", settings.address(), settings.namespace());
    let orders = Orders::connect(settings);
    if let Err(error) = orders.health().await {
        return Ok(vec![Finding::bad("temporal", format!("{place}: failed to {error}"), UP)]);
    }
    let mut findings = vec![Finding::good("temporal", place)];
    findings.push(match orders.missing_search_attributes().await {
        Ok(missing) if missing.is_empty() => Finding::good("search attributes", "registered"),
        Ok(missing) => {
            let remedy = "register them with `orderflow migrate`, or `temporal operator search-attribute create`";
            Finding::bad("search attributes", format!("missing: {}", missing.join(", ")), remedy)
        }
        Err(error) => Finding::bad("search attributes", format!("failed to {error}"), "is the namespace right?"),
    });
    match orders.task_queues().await {
        Ok(queues) => findings.extend(queues.iter().map(|(name, state)| queue(name, *state))),
        Err(error) => {
            findings.push(Finding::bad("task queues", format!("failed to {error}"), "is the namespace right?"))
        }
    }
    Ok(findings)
}

fn queue(name: &str, state: QueueState) -> Finding {
    let check = format!("task queue {name}");
    let QueueState { workflow_pollers, activity_pollers } = state;
    let pollers = format!("{workflow_pollers} poll for workflows, {activity_pollers} for activities");
    if workflow_pollers > 0 && activity_pollers > 0 {
        Finding::good(&check, pollers)
    } else {
        Finding::bad(&check, pollers, "no worker: look at `orderflow logs --service worker`")
    }
}

async fn api() -> Finding {
    let url = target::api_url();
    match Api::open() {
        Ok(api) => match api.health().await {
            Ok(()) => Finding::good("api", url),
            Err(error) => Finding::bad("api", error.to_string(), "look at `orderflow logs --service api`"),
        },
        Err(error) => Finding::bad("api", error.to_string(), "set ORDERFLOW_URL"),
    }
}
