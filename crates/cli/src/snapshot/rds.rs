//! The RDS client: credentials, region and the instance that a command is about.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_rds::{
    Client,
    config::{ProvideCredentials, Region, timeout::TimeoutConfig},
    types::DbInstance,
};

use super::{arguments::Instance, errors::explain_error};
use settings::Setting;

const INSTANCE: &Setting = &settings::ORDERFLOW_DB_INSTANCE;

/// Timeout of one attempt; the SDK makes three attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Creates a client. Checks region and credentials first, because the SDK's own errors are long.
pub(super) async fn connect() -> Result<Client> {
    let config = aws::load_config()
        .await
        .context("failed to set up the HTTP client")?;
    let region = config
        .region()
        .cloned()
        .or_else(|| Some(Region::new(host_from_environment()?.region)));
    let region = region.context(
        "AWS region: not set; set AWS_REGION, or `region` in the profile that AWS_PROFILE names",
    )?;
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.ok(),
        None => None,
    };
    if found.is_none() {
        bail!(
            "AWS credentials: none are valid; set AWS_PROFILE (after `aws sso login`), or AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, and check them with `aws sts get-caller-identity`"
        );
    }
    let timeout = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    Ok(Client::from_conf(
        aws_sdk_rds::config::Builder::from(&config)
            .region(region)
            .timeout_config(timeout)
            .build(),
    ))
}

/// Returns the name of the instance, or an error if none is configured.
pub(super) fn require_instance(named: &Instance) -> Result<String> {
    find_instance(named).ok_or_else(|| {
        anyhow!(
            "RDS instance: none is configured; give --instance or set ORDERFLOW_DB_INSTANCE to the stack's output `Database` (docs/runbook.md)"
        )
    })
}

/// Returns the given instance, else that of `ORDERFLOW_DB_INSTANCE`, else that of `DATABASE_URL`.
pub(super) fn find_instance(named: &Instance) -> Option<String> {
    named
        .instance
        .clone()
        .or_else(|| settings::read(INSTANCE))
        .or_else(|| Some(host_from_environment()?.name))
}

/// An RDS instance and its region, from the host name of the instance.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    name: String,
    region: String,
}

fn host_from_environment() -> Option<Host> {
    parse_host(&settings::read(&settings::DATABASE_URL)?)
}

/// Parses `NAME.RANDOM.REGION.rds.amazonaws.com`. The second label of a proxy or a cluster has a
/// hyphen, so their hosts are not instances.
fn parse_host(url: &str) -> Option<Host> {
    let url: reqwest::Url = url.parse().ok()?;
    let host = url.host_str()?.to_ascii_lowercase();
    let rest = host
        .strip_suffix(".cn")
        .unwrap_or(&host)
        .strip_suffix(".rds.amazonaws.com")?;
    let labels: Vec<_> = rest.split('.').collect();
    let [name, random, region] = labels[..] else {
        return None;
    };
    let is_instance = !random.contains('-') && ![name, random, region].contains(&"");
    is_instance.then(|| Host {
        name: name.to_owned(),
        region: region.to_owned(),
    })
}

/// Returns RDS's description of the instance.
pub(super) async fn describe_instance(client: &Client, name: &str) -> Result<DbInstance> {
    let response = client
        .describe_db_instances()
        .db_instance_identifier(name)
        .send()
        .await;
    let found =
        response.map_err(|error| explain_error(&error, client, "rds:DescribeDBInstances", name))?;
    let found = found.db_instances.unwrap_or_default().into_iter().next();
    found.with_context(|| format!("RDS returned no description of the instance {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_is_the_first_label_of_its_host() {
        let found = |host: &str| {
            parse_host(&format!(
                "postgres://reader:secret@{host}:5432/orderflow?sslmode=verify-full"
            ))
        };
        let host = Host {
            name: "orderflow-prod".to_owned(),
            region: "eu-central-1".to_owned(),
        };
        assert_eq!(
            found("orderflow-prod.c9akciq32rgx.eu-central-1.rds.amazonaws.com"),
            Some(host)
        );
        assert_eq!(
            found("a.b.cn-north-1.rds.amazonaws.com.cn").map(|host| host.region),
            Some("cn-north-1".to_owned())
        );
        for other in [
            "127.0.0.1",
            "localhost",
            "db.example.com",
            "orders.cluster-c9akciq32rgx.eu-central-1.rds.amazonaws.com",
            "orders.proxy-c9akciq32rgx.eu-central-1.rds.amazonaws.com",
            "rds.amazonaws.com",
            "a..b.rds.amazonaws.com",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
