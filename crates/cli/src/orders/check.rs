//! `check`: tests every dependency and prints one line for each.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::api_client::ApiClient;
use crate::{
    output::{OutputArguments, paint_failure, paint_ok, print, print_json},
    target,
};
use order_client::{OrderClient, QueueState};

/// The result of one check, with a remedy if it failed.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    ok: bool,
    /// True if the check did not run, because a dependency of it failed.
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

    fn skipped(check: &str, dependency: &str) -> Self {
        let detail = format!("skipped: requires {dependency}");
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
const MIGRATE: &str = "update the schema with `orderflow migrate`";
const NAMESPACE: &str =
    "set TEMPORAL_NAMESPACE, or create it with `orderflow temporal operator namespace create`";

/// The dependency of the checks of search attributes and task queues.
const TEMPORAL: &str = "Temporal";

/// Runs all checks. The exit code is 1 if one of them fails.
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

async fn database() -> [Finding; 4] {
    let unavailable = |reason: String| {
        let dependency = "the database";
        [
            Finding::bad("database", reason, UP),
            Finding::skipped("migrations", dependency),
            Finding::skipped("mail", dependency),
            Finding::skipped("endpoints", dependency),
        ]
    };
    let Some(url) = target::database_url() else {
        return unavailable(
            "DATABASE_URL is not set, and no stack is running in this folder".to_owned(),
        );
    };
    let pool = match target::try_open_database(&url).await {
        Ok(pool) => pool,
        Err(reason) => return unavailable(reason),
    };
    let reached = Finding::good("database", "reachable");
    let migrations = match store::list_migrations(&pool).await {
        Ok(all) => migrations(&all),
        Err(error) => Finding::bad("migrations", target::format_store_error(&error), MIGRATE),
    };
    let (mail, endpoints) = (mail(&pool).await, endpoints(&pool).await);
    pool.close().await;
    [reached, migrations, mail, endpoints]
}

/// Checks the outbox: mail that waits for more than a minute means that the mail server is
/// unavailable, or that no worker has one.
async fn mail(pool: &store::PgPool) -> Finding {
    const MAX_AGE_SECONDS: i64 = 60;
    let location = target::mail_url()
        .map(|url| format!("{url}; "))
        .unwrap_or_default();
    match store::outbox::read_backlog(pool).await {
        Ok(backlog) if backlog.oldest_seconds > MAX_AGE_SECONDS => Finding::bad(
            "mail",
            format!(
                "{location}{} waiting, the oldest for {} s",
                backlog.pending, backlog.oldest_seconds
            ),
            "see `orderflow logs --service worker`; set SMTP_URL (or MAIL=off) for the worker, or restart the mail server \
             with `orderflow restart mail`",
        ),
        Ok(backlog) => Finding::good(
            "mail",
            format!(
                "{location}{} waiting, {} refused",
                backlog.pending, backlog.failed
            ),
        ),
        Err(error) => Finding::bad("mail", target::format_store_error(&error), MIGRATE),
    }
}

/// Checks the endpoints of other systems: a disabled one gets no messages.
async fn endpoints(pool: &store::PgPool) -> Finding {
    match store::endpoints::count(pool).await {
        Ok(counts) if counts.disabled > 0 => Finding::bad(
            "endpoints",
            format!(
                "{} disabled, {} messages waiting for the others",
                counts.disabled, counts.pending
            ),
            "see `orderflow endpoints list`, repair the receiver, and run `orderflow endpoints enable ID`",
        ),
        Ok(counts) => Finding::good("endpoints", format!("{} messages waiting", counts.pending)),
        Err(error) => Finding::bad("endpoints", target::format_store_error(&error), MIGRATE),
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
            let bad = Finding::bad("temporal", error.to_string(), "correct the setting");
            return vec![
                bad,
                Finding::skipped("search attributes", TEMPORAL),
                Finding::skipped("task queues", TEMPORAL),
            ];
        }
    };
    let location = format!("{}, namespace {}", settings.address(), settings.namespace());
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
            format!("{location}: the namespace does not exist"),
            NAMESPACE,
        )),
        Err(error) => Some(Finding::bad("temporal", format!("{location}: {error}"), UP)),
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
        Ok(Some(missing)) if missing.is_empty() => Finding::good("search attributes", "registered"),
        // Nothing suggests that they are missing.
        Ok(None) => Finding::good(
            "search attributes",
            "not verified, because Temporal refuses to list them",
        ),
        Ok(Some(missing)) => {
            let remedy = "register them with `orderflow migrate`";
            Finding::bad(
                "search attributes",
                format!("missing: {}", missing.join(", ")),
                remedy,
            )
        }
        Err(error) => Finding::bad("search attributes", error.to_string(), NAMESPACE),
    };
    let mut findings = vec![Finding::good("temporal", location), attributes];
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
        format!("pollers: {workflow_pollers} for workflows, {activity_pollers} for activities");
    if workflow_pollers > 0 && activity_pollers > 0 {
        Finding::good(&check, pollers)
    } else {
        Finding::bad(
            &check,
            pollers,
            "no worker is polling; see `orderflow logs --service worker`",
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
                "see `orderflow logs --service api`",
            ),
        },
        Err(error) => Finding::bad("api", error.to_string(), "set ORDERFLOW_URL"),
    }
}
