//! `snapshot list`, and the description of a snapshot that the commands print.

use anyhow::Result;
use aws_sdk_rds::{primitives::DateTime, types::DbSnapshot};
use chrono::{SecondsFormat, Utc};
use serde::Serialize;

use super::{arguments::ListSnapshots, errors::explain_error, rds};
use crate::output::{format_table, print, print_json};

/// The facts about a snapshot that are printed; the fields are those of the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct SnapshotSummary {
    name: String,
    instance: String,
    created: Option<String>,
    size_gib: Option<i32>,
    status: String,
    encrypted: bool,
    /// `manual`, `automated` or `awsbackup`.
    kind: String,
}

impl SnapshotSummary {
    pub(super) fn from_snapshot(snapshot: &DbSnapshot) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            name: text(snapshot.db_snapshot_identifier()),
            instance: text(snapshot.db_instance_identifier()),
            created: snapshot.snapshot_create_time().and_then(time),
            size_gib: snapshot.allocated_storage(),
            status: text(snapshot.status()),
            encrypted: snapshot.encrypted() == Some(true),
            kind: text(snapshot.snapshot_type()),
        }
    }

    pub(super) fn size_text(&self) -> String {
        self.size_gib
            .map(|size| format!("{size} GiB"))
            .unwrap_or_default()
    }

    pub(super) fn encryption_text(&self) -> &'static str {
        if self.encrypted {
            "encrypted"
        } else {
            "not encrypted"
        }
    }
}

fn time(time: &DateTime) -> Option<String> {
    let time = chrono::DateTime::<Utc>::from_timestamp(time.secs(), 0)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

pub(super) async fn list_snapshots(arguments: ListSnapshots) -> Result<()> {
    let instance = rds::find_instance(&arguments.instance);
    let client = rds::connect().await?;
    let pages = client
        .describe_db_snapshots()
        .set_db_instance_identifier(instance.clone());
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let subject = instance.as_deref().unwrap_or("all instances");
    let found = found
        .map_err(|error| explain_error(&error, &client, "rds:DescribeDBSnapshots", subject))?;
    let mut found: Vec<_> = found.iter().map(SnapshotSummary::from_snapshot).collect();
    // A snapshot that has just begun has no time yet.
    found.sort_by_key(|snapshot| {
        std::cmp::Reverse(snapshot.created.clone().unwrap_or_else(|| "now".to_owned()))
    });
    if arguments.output.json {
        return print_json(&found);
    }
    if found.is_empty() {
        return print(&format!(
            "no snapshots of {subject}; take one with `orderflow snapshot create`"
        ));
    }
    let row = |snapshot: &SnapshotSummary| {
        let encrypted = if snapshot.encrypted { "yes" } else { "no" };
        let created = snapshot.created.clone().unwrap_or_default();
        let SnapshotSummary {
            name,
            instance,
            status,
            kind,
            ..
        } = snapshot;
        [
            name,
            instance,
            &created,
            &snapshot.size_text(),
            status,
            encrypted,
            kind,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    print(&format_table(
        &[
            "NAME",
            "INSTANCE",
            "CREATED",
            "SIZE",
            "STATUS",
            "ENCRYPTED",
            "KIND",
        ],
        &rows,
    ))
}
