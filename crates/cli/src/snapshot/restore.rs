//! `snapshot restore`: a new instance beside the old one, as the old one is set up. It takes no order and no load; nothing of
//! the old one is touched.

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

/// What the new instance is made of.
enum Source {
    Snapshot(String),
    /// The newest moment without a time.
    Moment(Option<DateTime>),
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
            Source::Moment(None),
            format!("{old} as it was a few minutes ago"),
        ),
        (None, Some(at)) => {
            let time = parse_time(at).context("a time must be such as 2027-01-01T00:00:00Z")?;
            (
                Source::Moment(Some(DateTime::from_secs(time.timestamp()))),
                format!("{old} as it was at {at}"),
            )
        }
    };
    let client = rds::connect().await?;
    let like = rds::describe_instance(&client, &old).await?;
    is_free(&client, &new).await?;
    is_encrypted(&client, &source, &like).await?;
    begin(&client, &source, &like, &old, &new).await?;
    let made = if arguments.no_wait {
        rds::describe_instance(&client, &new).await?
    } else {
        wait(&client, &new).await?
    };
    // One that has just begun has no address yet.
    let host = made
        .endpoint()
        .and_then(|endpoint| Some(format!("{}:{}", endpoint.address()?, endpoint.port()?)));
    let status = made.db_instance_status().unwrap_or_default();
    if arguments.output.json {
        return print_json(&json!({"instance": new, "from": from, "status": status, "host": host}));
    }
    if status != "available" {
        return print(&format!(
            "began {new}, of {from}; how far it is:\naws rds describe-db-instances --db-instance-identifier {new} --query 'DBInstances[0].DBInstanceStatus'"
        ));
    }
    let host = host.unwrap_or_default();
    let identifier = match source {
        Source::Snapshot(name) => name,
        Source::Moment(_) => {
            let name = format!("{new}-taken-over");
            print(&format!("restored {new}, of {from}, at {host}"))?;
            print(&format!(
                "a deployment takes snapshots alone, so take one of it:\norderflow snapshot create {name} --instance {new}"
            ))?;
            return next(&name, &host);
        }
    };
    print(&format!("restored {new}, of {from}, at {host}"))?;
    next(&identifier, &host)
}

fn next(snapshot: &str, host: &str) -> Result<()> {
    print(&format!(
        "look at it with:\nDATABASE_URL='postgres://USER:PASSWORD@{host}/orderflow?sslmode=verify-full' orderflow verify\n\
         to put it in place of the old one, read docs/runbook.md, \"Restore\", first:\n\
         sam deploy … --parameter-overrides … SnapshotIdentifier={snapshot}"
    ))
}

/// Nothing that is there is ever replaced, nor waited for as if it were ours.
async fn is_free(client: &Client, new: &str) -> Result<()> {
    match client
        .describe_db_instances()
        .db_instance_identifier(new)
        .send()
        .await
    {
        Ok(_) => bail!(
            "there is an instance {new} already, and none is ever replaced: name another with --to"
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

/// A restored instance is encrypted as what it is made of; that can't be asked for.
async fn is_encrypted(client: &Client, source: &Source, like: &DbInstance) -> Result<()> {
    let (what, is_encrypted) = match source {
        Source::Snapshot(name) => {
            let snapshot = create::describe_snapshot(client, name).await?;
            (format!("the snapshot {name}"), snapshot.encrypted())
        }
        Source::Moment(_) => (
            like.db_instance_identifier().unwrap_or_default().to_owned(),
            like.storage_encrypted(),
        ),
    };
    if is_encrypted == Some(true) {
        return Ok(());
    }
    bail!(
        "{what} is not encrypted, so what is restored would not be: copy a snapshot with a key first (`aws rds \
         copy-db-snapshot --kms-key-id alias/aws/rds`), and restore the copy"
    )
}

/// What both ways of restoring are asked for alike: the two requests of the SDK have nothing in common but names.
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

async fn begin(
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
        Source::Moment(time) => {
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

/// Those that AWS makes itself nobody may set.
fn tags(like: &DbInstance) -> Vec<Tag> {
    like.tag_list()
        .iter()
        .filter(|tag| !tag.key().unwrap_or_default().starts_with("aws:"))
        .cloned()
        .collect()
}

async fn wait(client: &Client, new: &str) -> Result<DbInstance> {
    let look = async || {
        client
            .describe_db_instances()
            .db_instance_identifier(new)
            .send()
            .await
    };
    let first = |answer: &DescribeDbInstancesOutput| answer.db_instances().first().cloned();
    let stage = |answer: &DescribeDbInstancesOutput| {
        let status = first(answer)
            .and_then(|instance| instance.db_instance_status)
            .unwrap_or("creating".to_owned());
        Stage {
            status,
            percent: first(answer).and_then(|instance| instance.percent_progress),
        }
    };
    let refused = |error: &_| explain_error(error, client, "rds:DescribeDBInstances", new);
    let answer = wait_until_available(&format!("the instance {new}"), look, stage, refused).await?;
    first(&answer).with_context(|| format!("RDS says nothing of the instance {new}"))
}
