//! The question to `GET /health`, for whoever watches over a program in an image that has nothing else to ask with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Client, StatusCode};
use thiserror::Error;

use settings::{Environment, Setting, SettingError};

/// Docker and ECS give it 5 s, and then nobody would hear why.
const ANSWER: Duration = Duration::from_secs(3);

/// Why a program is not well.
#[derive(Debug, Error)]
pub enum Unhealthy {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("nothing answers at {url} within {} s", ANSWER.as_secs())]
    NoAnswer {
        url: String,
        #[source]
        error: reqwest::Error,
    },
    #[error("{url} answers {status}")]
    Answered { url: String, status: StatusCode },
}

/// Asks the program that listens where this variable of the environment says.
pub async fn health_check(setting: &'static Setting) -> Result<(), Unhealthy> {
    let environment = Environment::from_process();
    let address = environment.parse(setting)?.ok_or_else(|| {
        setting.missing("not set, but the health check needs the address of the program")
    })?;
    let url = format!("http://{}/health", beside(address));
    match ask(&url).await {
        Ok(StatusCode::OK) => Ok(()),
        Ok(status) => Err(Unhealthy::Answered { url, status }),
        Err(error) => Err(Unhealthy::NoAnswer {
            url,
            error: error.without_url(),
        }),
    }
}

/// Who listens at every address listens at this machine's own.
fn beside(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

async fn ask(url: &str) -> reqwest::Result<StatusCode> {
    // Without TLS, but the client is made with it: with no certificate to read it is made in no time.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(ANSWER)
        .build()?;
    Ok(client.get(url).send().await?.status())
}
