//! A client for `GET /health`, for health checks in an image that has no shell and no `curl`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Client, StatusCode};
use thiserror::Error;

use settings::{Environment, Setting, SettingError};

/// Less than the 5 s of Docker and ECS, so that the reason of a failure is printed.
const ANSWER: Duration = Duration::from_secs(3);

/// The reason why a health check failed.
#[derive(Debug, Error)]
pub enum Unhealthy {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("no response from {url} within {} s; check that the program is running", ANSWER.as_secs())]
    NoAnswer {
        url: String,
        #[source]
        error: reqwest::Error,
    },
    #[error("{url} answers {status}")]
    Answered { url: String, status: StatusCode },
}

/// Calls the program at the address in the environment variable `variable`.
pub async fn health_check(setting: &'static Setting) -> Result<(), Unhealthy> {
    let environment = Environment::from_process();
    let address = environment.parse(setting)?.ok_or_else(|| {
        setting.missing("not set, but the health check needs the address of the program")
    })?;
    let url = format!("http://{}/health", connectable(address));
    match get_status(&url).await {
        Ok(StatusCode::OK) => Ok(()),
        Ok(status) => Err(Unhealthy::Answered { url, status }),
        Err(error) => Err(Unhealthy::NoAnswer {
            url,
            error: error.without_url(),
        }),
    }
}

/// Returns an address to connect to: the loopback address for a program that listens on all
/// addresses.
fn connectable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

async fn get_status(url: &str) -> reqwest::Result<StatusCode> {
    // No TLS is used. The client is built without root certificates, which saves the time to read
    // them.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(ANSWER)
        .build()?;
    Ok(client.get(url).send().await?.status())
}
