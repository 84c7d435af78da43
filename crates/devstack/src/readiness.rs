//! What "ready" means for each kind of server. An open port means it for none of them.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use sqlx::{Connection as _, PgConnection};
use temporalio_client::{Connection, ConnectionOptions, tonic::IntoRequest};
use temporalio_protos::temporal::api::{
    operatorservice::v1::ListSearchAttributesRequest, workflowservice::v1::DescribeNamespaceRequest,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use url::Url;

use domain::SEARCH_ATTRIBUTES;

const ATTEMPT: Duration = Duration::from_secs(3);

/// How to tell that a server does its work.
#[derive(Clone, Debug)]
pub enum Readiness {
    /// A database that lets us log in.
    Postgres {
        /// A database that is there from the beginning.
        url: String,
    },
    /// A Temporal server that knows the namespace and our search attributes.
    Temporal {
        /// `host:port`.
        address: String,
        /// The namespace.
        namespace: String,
    },
    /// A program whose health address answers 200.
    Http {
        /// `host:port`.
        address: String,
        /// The path, for example `/health`.
        path: String,
    },
}

impl Readiness {
    /// Looks once.
    pub async fn check(&self) -> Result<()> {
        let look = async {
            match self {
                Self::Postgres { url } => log_in(url).await,
                Self::Temporal { address, namespace } => find_namespace(address, namespace).await,
                Self::Http { address, path } => get(address, path).await,
            }
        };
        timeout(ATTEMPT, look)
            .await
            .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", ATTEMPT.as_secs())))
    }

    /// Whether an end during the start may be due to the remains of its predecessor.
    pub(crate) fn may_retry_start(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}

async fn log_in(url: &str) -> Result<()> {
    let connection = PgConnection::connect(url).await?;
    connection.close().await?;
    Ok(())
}

async fn find_namespace(address: &str, namespace: &str) -> Result<()> {
    let target = Url::parse(&format!("http://{address}"))
        .with_context(|| format!("{address} is no address"))?;
    let options = ConnectionOptions::new(target).build();
    let connection = Connection::connect(options).await?;
    let request = DescribeNamespaceRequest {
        namespace: namespace.to_owned(),
        ..Default::default()
    };
    connection
        .workflow_service()
        .describe_namespace(request.into_request())
        .await?;
    let request = ListSearchAttributesRequest {
        namespace: namespace.to_owned(),
    };
    let known: HashMap<_, _> = connection
        .operator_service()
        .list_search_attributes(request.into_request())
        .await?
        .into_inner()
        .custom_attributes;
    for (name, _) in SEARCH_ATTRIBUTES {
        if !known.contains_key(name) {
            bail!("the search attribute {name} is not registered");
        }
    }
    Ok(())
}

/// Ten lines instead of an HTTP client: one request, and the status of the answer.
async fn get(address: &str, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split_ascii_whitespace().nth(1).unwrap_or("no HTTP");
    if status != "200" {
        bail!("http://{address}{path} answers {status}");
    }
    Ok(())
}
