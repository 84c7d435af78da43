//! RDS: who asks, where, and about which instance.

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

/// One answer, of which the SDK asks for three before it gives up.
const ANSWER: Duration = Duration::from_secs(20);

/// A client, once it is known who asks and where: the SDK's own words for what is missing are long.
pub(super) async fn connect() -> Result<Client> {
    let config = aws::load_config()
        .await
        .context("HTTP could not be set up")?;
    let region = config
        .region()
        .cloned()
        .or_else(|| Some(Region::new(of_database()?.region)));
    let region = region.context(
        "no AWS region is set: set AWS_REGION, or `region` in the profile that AWS_PROFILE names",
    )?;
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.ok(),
        None => None,
    };
    if found.is_none() {
        bail!(
            "there are no AWS credentials that are good: set AWS_PROFILE (after `aws sso login`), or AWS_ACCESS_KEY_ID \
             and AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` shows who you are"
        );
    }
    let patience = TimeoutConfig::builder()
        .operation_attempt_timeout(ANSWER)
        .build();
    Ok(Client::from_conf(
        aws_sdk_rds::config::Builder::from(&config)
            .region(region)
            .timeout_config(patience)
            .build(),
    ))
}

/// Which instance is meant, or why nobody knows.
pub(super) fn require_instance(named: &Instance) -> Result<String> {
    find_instance(named).ok_or_else(|| {
        anyhow!(
            "which instance? Name it with --instance or ORDERFLOW_DB_INSTANCE; the stack's output `Database` has it (docs/runbook.md)"
        )
    })
}

/// The one that was named, else the one that `DATABASE_URL` leads to.
pub(super) fn find_instance(named: &Instance) -> Option<String> {
    named
        .instance
        .clone()
        .or_else(|| settings::read(INSTANCE))
        .or_else(|| Some(of_database()?.name))
}

/// What the name of a database's host tells.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    name: String,
    region: String,
}

fn of_database() -> Option<Host> {
    host_of(&settings::read(&settings::DATABASE_URL)?)
}

/// `NAME.RANDOM.REGION.rds.amazonaws.com`; a proxy or a cluster has another label where the random one is.
fn host_of(url: &str) -> Option<Host> {
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

/// The instance as RDS describes it.
pub(super) async fn describe_instance(client: &Client, name: &str) -> Result<DbInstance> {
    let answer = client
        .describe_db_instances()
        .db_instance_identifier(name)
        .send()
        .await;
    let found =
        answer.map_err(|error| explain_error(&error, client, "rds:DescribeDBInstances", name))?;
    let found = found.db_instances.unwrap_or_default().into_iter().next();
    found.with_context(|| format!("RDS says nothing of the instance {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_is_the_first_word_of_its_host() {
        let found = |host: &str| {
            host_of(&format!(
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
