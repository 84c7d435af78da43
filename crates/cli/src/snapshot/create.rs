//! `snapshot create`.

use anyhow::{Context, Result, bail};
use aws_sdk_rds::{Client, error::ProvideErrorMetadata, types::DbSnapshot};
use chrono::Utc;

use super::{
    arguments::CreateSnapshot,
    errors::explain_error,
    list::SnapshotSummary,
    rds,
    wait::{Stage, wait_until_available},
};
use crate::output::{print, print_json};

const ACTION: &str = "rds:CreateDBSnapshot";

pub(super) async fn create_snapshot(arguments: CreateSnapshot) -> Result<()> {
    let instance = rds::require_instance(&arguments.instance)?;
    let client = rds::connect().await?;
    let name = arguments
        .name
        .unwrap_or_else(|| format!("{instance}-{}", Utc::now().format("%Y%m%d-%H%M%S")));
    let begun = client
        .create_db_snapshot()
        .db_snapshot_identifier(&name)
        .db_instance_identifier(&instance)
        .send()
        .await;
    let (began, snapshot) = match begun {
        Ok(begun) => (
            true,
            begun
                .db_snapshot
                .context("RDS returned no description of the new snapshot")?,
        ),
        // An earlier call may have created it, although its response was lost.
        Err(error)
            if error
                .code()
                .is_some_and(|code| code.starts_with("DBSnapshotAlreadyExists")) =>
        {
            (false, describe_snapshot(&client, &name).await?)
        }
        Err(error) => return Err(explain_error(&error, &client, ACTION, &instance)),
    };
    if snapshot
        .db_instance_identifier()
        .is_some_and(|of| of != instance)
    {
        let of = snapshot.db_instance_identifier().unwrap_or_default();
        bail!("snapshot {name}: it exists and is of another instance ({of}); choose another name");
    }
    let snapshot = if arguments.no_wait {
        snapshot
    } else {
        wait_for_snapshot(&client, &name).await?
    };
    let listed = SnapshotSummary::from_snapshot(&snapshot);
    if arguments.output.json {
        return print_json(&listed);
    }
    let is_available = snapshot.status() == Some("available");
    let action = match (began, is_available) {
        (true, true) => "created",
        (true, false) => "began to create",
        (false, _) => "already exists:",
    };
    print(&format!(
        "{action} {name}, a snapshot of {instance}: {}, {}",
        listed.size_text(),
        listed.encryption_text()
    ))?;
    if is_available {
        return print(&format!(
            "restore it into a new instance with:\norderflow snapshot restore {name}"
        ));
    }
    print("see its progress with:\norderflow snapshot list")
}

/// Returns RDS's description of an existing snapshot.
pub(super) async fn describe_snapshot(client: &Client, name: &str) -> Result<DbSnapshot> {
    let response = client
        .describe_db_snapshots()
        .db_snapshot_identifier(name)
        .send()
        .await;
    let found =
        response.map_err(|error| explain_error(&error, client, "rds:DescribeDBSnapshots", name))?;
    found
        .db_snapshots
        .unwrap_or_default()
        .into_iter()
        .next()
        .with_context(|| format!("RDS returned no description of the snapshot {name}"))
}

async fn wait_for_snapshot(client: &Client, name: &str) -> Result<DbSnapshot> {
    let describe = async || {
        client
            .describe_db_snapshots()
            .db_snapshot_identifier(name)
            .send()
            .await
    };
    let first =
        |response: &aws_sdk_rds::operation::describe_db_snapshots::DescribeDbSnapshotsOutput| {
            response.db_snapshots().first().cloned()
        };
    let stage = |response: &_| {
        let snapshot = first(response);
        let status = snapshot
            .as_ref()
            .and_then(DbSnapshot::status)
            .unwrap_or("creating")
            .to_owned();
        Stage {
            status,
            percent: snapshot
                .and_then(|snapshot| snapshot.percent_progress())
                .map(|percent| percent.to_string()),
        }
    };
    let explain = |error: &_| explain_error(error, client, "rds:DescribeDBSnapshots", name);
    let response =
        wait_until_available(&format!("the snapshot {name}"), describe, stage, explain).await?;
    first(&response).with_context(|| format!("RDS returned no description of the snapshot {name}"))
}
