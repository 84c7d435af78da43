//! `snapshot list`, and a snapshot as people and machines see it.

use anyhow::Result;
use aws_sdk_rds::{primitives::DateTime, types::DbSnapshot};
use chrono::{SecondsFormat, Utc};
use serde::Serialize;

use super::{arguments::ListSnapshots, rds, refusal::refused};
use crate::output::{print, print_json, table};

/// What is told of a snapshot.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    name: String,
    instance: String,
    created: Option<String>,
    size_gib: Option<i32>,
    status: String,
    encrypted: bool,
    /// `manual`, `automated`, `awsbackup`.
    kind: String,
}

impl Listed {
    pub(super) fn of(snapshot: &DbSnapshot) -> Self {
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

    pub(super) fn size(&self) -> String {
        self.size_gib
            .map(|size| format!("{size} GiB"))
            .unwrap_or_default()
    }

    pub(super) fn is_encrypted(&self) -> &'static str {
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

pub(super) async fn list(arguments: ListSnapshots) -> Result<()> {
    let instance = rds::known(&arguments.instance);
    let client = rds::client().await?;
    let pages = client
        .describe_db_snapshots()
        .set_db_instance_identifier(instance.clone());
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let subject = instance.as_deref().unwrap_or("all instances");
    let found =
        found.map_err(|error| refused(&error, &client, "rds:DescribeDBSnapshots", subject))?;
    let mut found: Vec<_> = found.iter().map(Listed::of).collect();
    // One that has just begun has no time yet.
    found.sort_by_key(|snapshot| {
        std::cmp::Reverse(snapshot.created.clone().unwrap_or_else(|| "now".to_owned()))
    });
    if arguments.output.json {
        return print_json(&found);
    }
    if found.is_empty() {
        return print(&format!(
            "there is no snapshot of {subject}; `orderflow snapshot create` takes one"
        ));
    }
    let row = |snapshot: &Listed| {
        let encrypted = if snapshot.encrypted { "yes" } else { "no" };
        let created = snapshot.created.clone().unwrap_or_default();
        let Listed {
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
            &snapshot.size(),
            status,
            encrypted,
            kind,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    print(&table(
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
