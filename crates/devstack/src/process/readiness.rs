//! Readiness checks for each kind of server. An open port does not mean that a server is ready.

use std::{collections::HashMap, time::Duration};

use anyhow::{Result, anyhow, bail};
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tokio::{net::TcpStream, time::timeout};

const ATTEMPT: Duration = Duration::from_secs(3);

/// A check that a server is ready.
#[derive(Clone, Debug)]
pub enum Readiness {
    /// PostgreSQL accepts a login.
    Postgres {
        /// The URL of a database that exists from the beginning.
        url: String,
    },
    /// Temporal has the namespace and our search attributes.
    Temporal {
        /// The gRPC API, as `host:port`.
        address: String,
        /// The HTTP API, as `host:port`.
        http_address: String,
        /// The namespace that must exist.
        namespace: String,
        /// The search attributes that must be registered.
        search_attributes: Vec<&'static str>,
    },
    /// A program's health check returns 200.
    Http {
        /// The server, as `host:port`.
        address: String,
        /// The path, for example `/health`.
        path: String,
    },
}

impl Readiness {
    /// Runs the check once.
    pub async fn check(&self) -> Result<()> {
        let check = async {
            match self {
                Self::Postgres { url } => log_in(url).await,
                Self::Temporal {
                    address,
                    http_address,
                    namespace,
                    search_attributes,
                } => check_namespace(address, http_address, namespace, search_attributes).await,
                Self::Http { address, path } => send_request(&format!("http://{address}{path}"))
                    .await
                    .map(drop),
            }
        };
        timeout(ATTEMPT, check)
            .await
            .unwrap_or_else(|_| Err(anyhow!("no response within {} s", ATTEMPT.as_secs())))
    }

    /// Returns whether a process of the previous server may be the reason for a failed start.
    pub(crate) fn may_retry_start(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}

async fn log_in(url: &str) -> Result<()> {
    let connection = PgConnection::connect(url).await?;
    connection.close().await?;
    Ok(())
}

/// Temporal's response to a request for the search attributes of a namespace.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchAttributes {
    #[serde(default)]
    custom_attributes: HashMap<String, Value>,
}

/// Asks Temporal's HTTP API, which uses the same handlers as gRPC, and checks that the gRPC port is open.
async fn check_namespace(
    address: &str,
    http_address: &str,
    namespace: &str,
    search_attributes: &[&str],
) -> Result<()> {
    let url = format!("http://{http_address}/api/v1/namespaces/{namespace}");
    send_request(&url).await?;
    let known: SearchAttributes = send_request(&format!("{url}/search-attributes"))
        .await?
        .json()
        .await?;
    for name in search_attributes {
        if !known.custom_attributes.contains_key(*name) {
            bail!("the search attribute {name} is not registered");
        }
    }
    TcpStream::connect(address).await?;
    Ok(())
}

/// Sends a GET request to a server of this machine and requires status 200.
async fn send_request(url: &str) -> Result<Response> {
    // reqwest needs a TLS provider even for plain HTTP; without certificates it is cheap.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().tls_certs_only([]).build()?;
    let response = client.get(url).send().await?;
    let status = response.status();
    if status != 200 {
        bail!("{url} returned status {status}");
    }
    Ok(response)
}
