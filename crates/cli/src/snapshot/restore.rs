//! `snapshot restore`: creates a new instance with the configuration of the old one. The old
//! instance is not changed, and the new one serves no orders until an operator switches to it.

use anyhow::{Context, Result, bail};
use aws_sdk_rds::{
    Client,
    error::ProvideErrorMetadata,
    operation::describe_db_instances::DescribeDbInstancesOutput,
    primitives::DateTime,
    types::{DbInstance, Tag},
};
use serde_json::json;

use super::{
    arguments::RestoreSnapshot,
    create,
    errors::explain_error,
    rds,
    wait::{Stage, wait_until_available},
};
use crate::output::{print, print_json};
use domain::parse_time;

/// The source of the new instance.
enum Source {
    Snapshot(String),
    /// A point in time of the old instance; without a time, the latest one.
    PointInTime(Option<DateTime>),
}

pub(super) async fn restore_instance(arguments: RestoreSnapshot) -> Result<()> {
    let old = rds::require_instance(&arguments.instance)?;
    let new = arguments.to.unwrap_or_else(|| format!("{old}-restored"));
    let (source, from) = match (arguments.name, arguments.at.as_deref()) {
        (Some(name), _) => (
            Source::Snapshot(name.clone()),
            format!("the snapshot {name}"),
        ),
        (None, Some("latest") | None) => (
            Source::PointInTime(None),
            format!("{old} as it was a few minutes ago"),
        ),
        (None, Some(at)) => {
            let time = parse_time(at)
                .context("a time must be in RFC 3339 format, such as 2027-01-01T00:00:00Z")?;
            (
                Source::PointInTime(Some(DateTime::from_secs(time.timestamp()))),
                format!("{old} as it was at {at}"),
            )
        }
    };
    let client = rds::connect().await?;
    let like = rds::describe_instance(&client, &old).await?;
    require_free_name(&client, &new).await?;
    require_encryption(&client, &source, &like).await?;
    begin_restore(&client, &source, &like, &old, &new).await?;
    let made = if arguments.no_wait {
        rds::describe_instance(&client, &new).await?
    } else {
        wait_for_instance(&client, &new).await?
    };
    // An instance that has just begun has no address yet.
    let host = made
        .endpoint()
        .and_then(|endpoint| Some(format!("{}:{}", endpoint.address()?, endpoint.port()?)));
    let status = made.db_instance_status().unwrap_or_default();
    if arguments.output.json {
        return print_json(&json!({"instance": new, "from": from, "status": status, "host": host}));
    }
    if status != "available" {
        return print(&format!(
            "began to restore {new} from {from}; see its progress with:\naws rds describe-db-instances --db-instance-identifier {new} --query 'DBInstances[0].DBInstanceStatus'"
        ));
    }
    let host = host.unwrap_or_default();
    let identifier = match source {
        Source::Snapshot(name) => name,
        Source::PointInTime(_) => {
            let name = format!("{new}-taken-over");
            print(&format!("restored {new} from {from}, at {host}"))?;
            print(&format!(
                "a deployment can use a snapshot only, so take one of the new instance:\norderflow snapshot create {name} --instance {new}"
            ))?;
            return print_next_steps(&name, &host);
        }
    };
    print(&format!("restored {new} from {from}, at {host}"))?;
    print_next_steps(&identifier, &host)
}

fn print_next_steps(snapshot: &str, host: &str) -> Result<()> {
    print(&format!(
        "check it with:\nDATABASE_URL='postgres://USER:PASSWORD@{host}/DATABASE?sslmode=verify-full' orderflow verify\n\
         to replace the old instance, follow docs/runbook.md, \"Restore\", and then run:\n\
         sam deploy … --parameter-overrides … SnapshotIdentifier={snapshot}"
    ))
}

/// Fails if an instance with the new name exists, because an instance is never replaced.
async fn require_free_name(client: &Client, new: &str) -> Result<()> {
    match client
        .describe_db_instances()
        .db_instance_identifier(new)
        .send()
        .await
    {
        Ok(_) => bail!(
            "RDS instance {new}: it exists and is never replaced; choose another name with --to"
        ),
        Err(error)
            if error
                .code()
                .is_some_and(|code| code.starts_with("DBInstanceNotFound")) =>
        {
            Ok(())
        }
        Err(error) => Err(explain_error(
            &error,
            client,
            "rds:DescribeDBInstances",
            new,
        )),
    }
}

/// Fails if the source is not encrypted: RDS encrypts a restored instance only if its source is
/// encrypted.
async fn require_encryption(client: &Client, source: &Source, like: &DbInstance) -> Result<()> {
    let (subject, is_encrypted) = match source {
        Source::Snapshot(name) => {
            let snapshot = create::describe_snapshot(client, name).await?;
            (format!("the snapshot {name}"), snapshot.encrypted())
        }
        Source::PointInTime(_) => (
            like.db_instance_identifier().unwrap_or_default().to_owned(),
            like.storage_encrypted(),
        ),
    };
    if is_encrypted == Some(true) {
        return Ok(());
    }
    bail!(
        "{subject}: not encrypted, so the restored instance would not be; copy a snapshot with a key (`aws rds \
         copy-db-snapshot --kms-key-id alias/aws/rds`) and restore the copy"
    )
}

/// Sets the fields that both kinds of restore share. The SDK's two request types have no common
/// trait.
macro_rules! like {
    ($request:expr, $like:expr) => {
        $request
            .set_db_instance_class($like.db_instance_class().map(str::to_owned))
            .set_db_subnet_group_name(subnet_group($like))
            .set_vpc_security_group_ids(Some(security_groups($like)))
            .set_db_parameter_group_name(parameter_group($like))
            .set_multi_az($like.multi_az())
            .set_storage_type($like.storage_type().map(str::to_owned))
            .set_auto_minor_version_upgrade($like.auto_minor_version_upgrade())
            .set_ca_certificate_identifier($like.ca_certificate_identifier().map(str::to_owned))
            .set_enable_cloudwatch_logs_exports(Some(
                $like.enabled_cloudwatch_logs_exports().to_vec(),
            ))
            .set_manage_master_user_password($like.master_user_secret().map(|_| true))
            .set_tags(Some(tags($like)))
            .copy_tags_to_snapshot(true)
            .enable_iam_database_authentication(true)
            .publicly_accessible(false)
            .deletion_protection(true)
            .send()
            .await
    };
}

async fn begin_restore(
    client: &Client,
    source: &Source,
    like: &DbInstance,
    old: &str,
    new: &str,
) -> Result<()> {
    match source {
        Source::Snapshot(name) => {
            let request = client.restore_db_instance_from_db_snapshot();
            let request = request
                .db_snapshot_identifier(name)
                .db_instance_identifier(new);
            let begun = like!(request, like);
            let subject = |code: &str| {
                if code.contains("Snapshot") {
                    name.as_str()
                } else {
                    new
                }
            };
            let action = "rds:RestoreDBInstanceFromDBSnapshot";
            begun.map(drop).map_err(|error| {
                explain_error(
                    &error,
                    client,
                    action,
                    subject(error.code().unwrap_or_default()),
                )
            })
        }
        Source::PointInTime(time) => {
            let request = client.restore_db_instance_to_point_in_time();
            let request = request
                .source_db_instance_identifier(old)
                .target_db_instance_identifier(new);
            let request = request
                .set_restore_time(*time)
                .set_use_latest_restorable_time(time.is_none().then_some(true));
            let begun = like!(
                request.set_max_allocated_storage(like.max_allocated_storage()),
                like
            );
            let subject = |code: &str| {
                if code.contains("AlreadyExists") {
                    new
                } else {
                    old
                }
            };
            let action = "rds:RestoreDBInstanceToPointInTime";
            begun.map(drop).map_err(|error| {
                explain_error(
                    &error,
                    client,
                    action,
                    subject(error.code().unwrap_or_default()),
                )
            })
        }
    }
}

fn subnet_group(like: &DbInstance) -> Option<String> {
    like.db_subnet_group()?
        .db_subnet_group_name()
        .map(str::to_owned)
}

fn security_groups(like: &DbInstance) -> Vec<String> {
    like.vpc_security_groups()
        .iter()
        .filter_map(|group| group.vpc_security_group_id())
        .map(str::to_owned)
        .collect()
}

fn parameter_group(like: &DbInstance) -> Option<String> {
    like.db_parameter_groups()
        .first()?
        .db_parameter_group_name()
        .map(str::to_owned)
}

/// Returns the tags without those of AWS itself, which cannot be set.
fn tags(like: &DbInstance) -> Vec<Tag> {
    like.tag_list()
        .iter()
        .filter(|tag| !tag.key().unwrap_or_default().starts_with("aws:"))
        .cloned()
        .collect()
}

async fn wait_for_instance(client: &Client, new: &str) -> Result<DbInstance> {
    let describe = async || {
        client
            .describe_db_instances()
            .db_instance_identifier(new)
            .send()
            .await
    };
    let first = |response: &DescribeDbInstancesOutput| response.db_instances().first().cloned();
    let stage = |response: &DescribeDbInstancesOutput| {
        let status = first(response)
            .and_then(|instance| instance.db_instance_status)
            .unwrap_or("creating".to_owned());
        Stage {
            status,
            percent: first(response).and_then(|instance| instance.percent_progress),
        }
    };
    let explain = |error: &_| explain_error(error, client, "rds:DescribeDBInstances", new);
    let response =
        wait_until_available(&format!("the instance {new}"), describe, stage, explain).await?;
    first(&response).with_context(|| format!("RDS returned no description of the instance {new}"))
}
