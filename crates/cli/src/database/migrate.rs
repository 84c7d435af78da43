//! `migrate`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;

use super::{arguments::Migrate, search_attributes};
use crate::{
    output::{OutputArguments, paint_failure, print, print_json},
    target,
};

/// Migrates the database, then registers the search attributes. If Temporal is unavailable, the
/// database is migrated nevertheless. A newer release has prepared both for its own needs, so a newer
/// schema means that nothing is to be done: a deployment that is rolled back succeeds.
pub(crate) async fn run_migrations(Migrate { iam_users, output }: Migrate) -> Result<ExitCode> {
    let pool = target::open_database().await?;
    let missing: Vec<_> = store::list_migrations(&pool)
        .await?
        .into_iter()
        .filter(|migration| !migration.is_applied)
        .collect();
    store::migrate(&pool)
        .await
        .context("a migration failed and was rolled back")?;
    let schema = store::schema_version(&pool).await?;
    if schema > store::latest_known_version() {
        return report_newer_schema(schema, output);
    }
    if iam_users {
        store::roles::create(&pool)
            .await
            .context("the schema is up to date, but the IAM users were not created")?;
    }
    let applied: Vec<String> = missing
        .iter()
        .map(|migration| format!("{:04} {}", migration.version, migration.description))
        .collect();
    let attributes = search_attributes::register().await;
    if output.json {
        print_json(&json!({
            "schema": schema, "known_schema": schema, "applied": applied,
            "search_attributes": attributes.registered, "search_attributes_verified": attributes.verified,
            "iam_users": iam_users, "failure": attributes.failure,
        }))?;
    } else {
        for migration in &applied {
            print(&format!("database: applied {migration}"))?;
        }
        let state = if applied.is_empty() {
            "already up to date"
        } else {
            "up to date"
        };
        print(&format!("database: schema {schema:04}, {state}"))?;
        if iam_users {
            print("database: orderflow_worker and orderflow_reader have their privileges")?;
        }
        let line = if attributes.failure.is_some() {
            paint_failure(&attributes.summary)
        } else {
            attributes.summary
        };
        print(&format!("temporal: {line}"))?;
    }
    let Some(failure) = attributes.failure else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("error: {failure}, then repeat `orderflow migrate`");
    Ok(ExitCode::FAILURE)
}

fn report_newer_schema(schema: i64, output: OutputArguments) -> Result<ExitCode> {
    let known = store::latest_known_version();
    if output.json {
        print_json(&json!({
            "schema": schema, "known_schema": known, "applied": [], "search_attributes": [],
            "search_attributes_verified": false, "iam_users": false, "failure": null,
        }))?;
    } else {
        print(&format!(
            "database: schema {schema:04} is newer than {known:04}, the newest that this program has; nothing was changed"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
