//! `migrate`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{arguments::Migrate, search_attributes};
use crate::{
    output::{OutputArguments, paint_failure, print, print_json},
    target,
};
use store::{IamUsers, Migration, SchemaUpdate};

/// Migrates the database, then registers the search attributes. If Temporal is unavailable, the
/// database is migrated nevertheless. A newer schema means that nothing is to be done, so a deployment
/// that is rolled back succeeds.
pub(crate) async fn run_migrations(Migrate { iam_users, output }: Migrate) -> Result<ExitCode> {
    let pool = target::open_database().await?;
    let users = if iam_users {
        IamUsers::Create
    } else {
        IamUsers::Omit
    };
    let update = store::update_schema(&pool, users).await?;
    if update.is_newer_than_program() {
        return report_newer_schema(&update, output);
    }
    let schema = update.schema;
    let applied: Vec<String> = update.applied.iter().map(Migration::to_string).collect();
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
        print(&format!("database: {}", update.describe()))?;
        if iam_users {
            print(
                "database: orderflow_worker, orderflow_reader and orderflow_admin have their privileges",
            )?;
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

fn report_newer_schema(update: &SchemaUpdate, output: OutputArguments) -> Result<ExitCode> {
    if output.json {
        print_json(&json!({
            "schema": update.schema, "known_schema": store::latest_known_version(), "applied": [],
            "search_attributes": [], "search_attributes_verified": false, "iam_users": false,
            "failure": null,
        }))?;
    } else {
        print(&format!("database: {}", update.describe()))?;
    }
    Ok(ExitCode::SUCCESS)
}
