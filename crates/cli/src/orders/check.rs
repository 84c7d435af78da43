//! `check`: every dependency in turn, one line each.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::api_client::ApiClient;
use crate::{
    output::{OutputArguments, paint_failure, paint_ok, print, print_json},
    target,
};
use order_client::{OrderClient, QueueState};

/// How one check went: what is there, or what is wrong and what to do about it.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    ok: bool,
    /// Not looked at, since what it needs is not there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skipped: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Finding {
    fn good(check: &str, detail: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            ok: true,
            skipped: false,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn bad(check: &str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            check: check.to_owned(),
            ok: false,
            skipped: false,
            detail: detail.into(),
            remedy: Some(remedy),
        }
    }

    fn skipped(check: &str, needs: &str) -> Self {
        let detail = format!("skipped: needs {needs}");
        Self {
            check: check.to_owned(),
            ok: false,
            skipped: true,
            detail,
            remedy: None,
        }
    }

    fn line(&self) -> String {
        let Self {
            check,
            ok,
            skipped,
            detail,
            remedy,
        } = self;
        let verdict = match (ok, skipped) {
            (true, _) => paint_ok("ok    "),
            (false, true) => "--    ".to_owned(),
            (false, false) => paint_failure("FAILED"),
        };
        let remedy = remedy
            .map(|remedy| format!("; {remedy}"))
            .unwrap_or_default();
        format!("{verdict}  {check:22}  {detail}{remedy}")
    }
}

const UP: &str = "start the stack with `orderflow up`";
const MIGRATE: &str = "bring the schema up to date with `orderflow migrate`";
const NAMESPACE: &str =
    "set TEMPORAL_NAMESPACE, or create it with `temporal operator namespace create`";

/// What search attributes and task queues need.
const TEMPORAL: &str = "Temporal";

/// Fails when one of them does.
pub(crate) async fn check_dependencies(output: OutputArguments) -> Result<ExitCode> {
    let mut findings: Vec<_> = database().await.into();
    findings.extend(temporal().await);
    findings.push(api().await);
    if output.json {
        print_json(&findings)?;
    } else {
        for finding in &findings {
            print(&finding.line())?;
        }
    }
    let all = findings.iter().all(|finding| finding.ok);
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn database() -> [Finding; 3] {
    let without = |why: String| {
        let needs = "the database";
        [
            Finding::bad("database", why, UP),
            Finding::skipped("migrations", needs),
            Finding::skipped("mail", needs),
        ]
    };
    let Some(url) = target::database_url() else {
        return without("DATABASE_URL is not set and no stack runs here".to_owned());
    };
    let pool = match target::try_open_database(&url).await {
        Ok(pool) => pool,
        Err(why) => return without(why),
    };
    let reached = Finding::good("database", "reachable");
    let migrations = match store::list_migrations(&pool).await {
        Ok(all) => migrations(&all),
        Err(error) => Finding::bad("migrations", target::format_store_error(&error), MIGRATE),
    };
    let mail = mail(&pool).await;
    pool.close().await;
    [reached, migrations, mail]
}

/// A mail server that is away shows in the outbox: what waits there for more than a minute should have gone out.
async fn mail(pool: &store::PgPool) -> Finding {
    const SLOW: i64 = 60;
    let place = target::mail_url()
        .map(|url| format!("{url}; "))
        .unwrap_or_default();
    match store::outbox::read_backlog(pool).await {
        Ok(backlog) if backlog.oldest_seconds > SLOW => Finding::bad(
            "mail",
            format!(
                "{place}{} wait, the oldest for {} s",
                backlog.pending, backlog.oldest_seconds
            ),
            "does the mail server run? `orderflow restart mail`, `orderflow logs --service worker`",
        ),
        Ok(backlog) => Finding::good(
            "mail",
            format!(
                "{place}{} wait, {} were refused",
                backlog.pending, backlog.failed
            ),
        ),
        Err(error) => Finding::bad("mail", target::format_store_error(&error), MIGRATE),
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
        Finding::bad(
            "migrations",
            format!("missing: {}", missing.join(", ")),
            MIGRATE,
        )
    }
}

async fn temporal() -> Vec<Finding> {
    let settings = match target::temporal_settings() {
        Ok(settings) => settings,
        Err(error) => {
            let bad = Finding::bad("temporal", error.to_string(), "correct that setting");
            return vec![
                bad,
                Finding::skipped("search attributes", TEMPORAL),
                Finding::skipped("task queues", TEMPORAL),
            ];
        }
    };
    let place = format!("{}, namespace {}", settings.address(), settings.namespace());
    let queues = [
        settings.orders_task_queue.clone(),
        settings.shipping_task_queue.clone(),
    ];
    let orders = OrderClient::new(settings);
    let reached = match orders.check_health().await {
        Ok(()) => orders.has_namespace().await,
        Err(error) => Err(error),
    };
    let bad = match reached {
        Ok(true) => None,
        Ok(false) => Some(Finding::bad(
            "temporal",
            format!("{place}: there is no such namespace"),
            NAMESPACE,
        )),
        Err(error) => Some(Finding::bad("temporal", format!("{place}: {error}"), UP)),
    };
    if let Some(bad) = bad {
        let queues = queues
            .iter()
            .map(|name| Finding::skipped(&format!("task queue {name}"), TEMPORAL));
        return [bad, Finding::skipped("search attributes", TEMPORAL)]
            .into_iter()
            .chain(queues)
            .collect();
    }
    let attributes = match orders.read_missing_search_attributes().await {
        Ok(missing) if missing.is_empty() => Finding::good("search attributes", "registered"),
        Ok(missing) => {
            let remedy = "register them with `orderflow migrate`, or `temporal operator search-attribute create`";
            Finding::bad(
                "search attributes",
                format!("missing: {}", missing.join(", ")),
                remedy,
            )
        }
        Err(error) => Finding::bad("search attributes", error.to_string(), NAMESPACE),
    };
    let mut findings = vec![Finding::good("temporal", place), attributes];
    match orders.read_task_queues().await {
        Ok(states) => findings.extend(states.iter().map(|(name, state)| queue(name, *state))),
        Err(error) => {
            findings.extend(queues.iter().map(|name| {
                Finding::bad(&format!("task queue {name}"), error.to_string(), NAMESPACE)
            }))
        }
    }
    findings
}

fn queue(name: &str, state: QueueState) -> Finding {
    let check = format!("task queue {name}");
    let QueueState {
        workflow_pollers,
        activity_pollers,
        backlog: _,
    } = state;
    let pollers =
        format!("{workflow_pollers} poll for workflows, {activity_pollers} for activities");
    if workflow_pollers > 0 && activity_pollers > 0 {
        Finding::good(&check, pollers)
    } else {
        Finding::bad(
            &check,
            pollers,
            "no worker: look at `orderflow logs --service worker`",
        )
    }
}

async fn api() -> Finding {
    let url = target::api_url();
    match ApiClient::from_env() {
        Ok(api) => match api.check_health().await {
            Ok(()) => Finding::good("api", url),
            Err(error) => Finding::bad(
                "api",
                error.to_string(),
                "look at `orderflow logs --service api`",
            ),
        },
        Err(error) => Finding::bad("api", error.to_string(), "set ORDERFLOW_URL"),
    }
}
