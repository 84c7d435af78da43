//! `migrate`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;

use super::arguments::Migrate;
use crate::{
    output::{paint_failure, print, print_json},
    target,
};

/// Migrates the database, then registers the search attributes. If Temporal is unavailable, the
/// database is migrated nevertheless.
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
    if iam_users {
        store::roles::create(&pool)
            .await
            .context("the schema is up to date, but the IAM users were not created")?;
    }
    let schema = store::schema_version(&pool).await?;
    let applied: Vec<String> = missing
        .iter()
        .map(|migration| format!("{:04} {}", migration.version, migration.description))
        .collect();
    let registered = target::connect_orders()?.register_search_attributes().await;
    let failure = registered.as_ref().err().map(|error| error.to_string());
    let registered = registered.unwrap_or_default();
    if output.json {
        print_json(&json!({
            "schema": schema, "applied": applied, "search_attributes": registered, "iam_users": iam_users, "failure": failure,
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
        match (&failure, registered.is_empty()) {
            (None, true) => print("temporal: all search attributes were already registered")?,
            (None, false) => print(&format!("temporal: registered {}", registered.join(", ")))?,
            (Some(_), _) => print(&format!(
                "temporal: {}",
                paint_failure("nothing was registered")
            ))?,
        }
    }
    let Some(failure) = failure else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("error: {failure}; run `orderflow check`, then repeat `orderflow migrate`");
    Ok(ExitCode::FAILURE)
}
