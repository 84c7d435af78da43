//! HTTP calls to endpoints. The address is checked when it is connected to, so that a host name cannot
//! resolve to another address after the check.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    Client, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    redirect::Policy,
};

use contract::{AllowedAddresses, EndpointUrl};
use domain::is_public_address;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum length of a response that is read, so that the connection can be used again. Nothing of
/// it is kept.
const MAX_RESPONSE: usize = 16 * 1024;

/// A message in the form in which it is sent.
pub(super) struct SignedMessage<'a> {
    pub(super) url: &'a str,
    pub(super) message_id: &'a str,
    /// Seconds since 1970.
    pub(super) timestamp: i64,
    pub(super) signatures: String,
    pub(super) body: Vec<u8>,
}

/// The receiver's answer, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Status {
        status: StatusCode,
        /// The time for which the receiver asks to wait.
        retry_after: Option<Duration>,
    },
    None(&'static str),
}

/// An HTTP client for endpoints.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    addresses: AllowedAddresses,
}

impl Sender {
    pub(super) fn new(addresses: AllowedAddresses, timeout: Duration) -> reqwest::Result<Self> {
        // Several crates depend on rustls and none installs a crypto provider. A second
        // installation fails, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .user_agent(concat!("orderflow/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            // A proxy would resolve the host name, without this check.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout);
        let builder = match addresses {
            AllowedAddresses::Any => builder,
            AllowedAddresses::Public => builder.dns_resolver(Arc::new(PublicAddresses)),
        };
        Ok(Self {
            client: builder.build()?,
            addresses,
        })
    }

    /// Sends a message.
    pub(super) async fn send(&self, message: SignedMessage<'_>) -> Answer {
        // An address in the URL is not resolved, so the client does not check it.
        let is_allowed = message
            .url
            .parse::<EndpointUrl>()
            .is_ok_and(|url| url.check(self.addresses).is_ok());
        if !is_allowed {
            return Answer::None(NOT_ALLOWED);
        }
        let request = self
            .client
            .post(message.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", message.message_id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", message.signatures)
            .body(message.body);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Answer::None(describe_error(&error)),
        };
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let mut read = 0;
        // The status decides, whatever follows it.
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MAX_RESPONSE {
                break;
            }
        }
        Answer::Status {
            status,
            retry_after,
        }
    }
}

const NOT_ALLOWED: &str = "the address is not a public one with TLS (ENDPOINT_ADDRESSES)";

/// Returns the reason without the address, which can contain a secret of the receiver.
fn describe_error(error: &reqwest::Error) -> &'static str {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<NotPublic>() {
            return NOT_ALLOWED;
        }
        source = inner.source();
    }
    if error.is_timeout() {
        "no response in time"
    } else if error.is_connect() {
        "the connection failed"
    } else {
        "the connection was lost"
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// A resolver that returns only public addresses.
struct PublicAddresses;

/// A host name has only addresses that are not public.
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
struct NotPublic;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(select_public(found)?)
        })
    }
}

fn select_public(found: impl Iterator<Item = SocketAddr>) -> Result<Addrs, NotPublic> {
    let is_public = |address: &SocketAddr| is_public_address(address.ip());
    let public: Vec<_> = found.filter(is_public).collect();
    if public.is_empty() {
        return Err(NotPublic);
    }
    Ok(Box::new(public.into_iter()))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn message(url: &str) -> SignedMessage<'_> {
        SignedMessage {
            url,
            message_id: "msg_1",
            timestamp: 1,
            signatures: "v1,x".to_owned(),
            body: b"{}".to_vec(),
        }
    }

    /// Starts a server that sends this response to each request, and returns its port and the number of
    /// connections that it accepts.
    async fn serve(response: String) -> (u16, tokio::sync::watch::Receiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, counted) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.send_modify(|count| *count += 1);
                let response = response.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(response.as_bytes()).await;
                    // Keeps the connection open.
                    let _ = stream.read(&mut request).await;
                });
            }
        });
        (port, counted)
    }

    #[test]
    fn only_public_addresses_of_a_name_are_used() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter()
                .map(|ip| SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 0))
                .collect()
        };
        let mixed = addresses(&["10.0.0.1", "1.1.1.1", "::1", "::ffff:192.168.0.1"]);
        let selected: Vec<_> = select_public(mixed.into_iter()).unwrap().collect();
        assert_eq!(selected, addresses(&["1.1.1.1"]));
        assert!(select_public(addresses(&["127.0.0.1"]).into_iter()).is_err());
        assert!(select_public(std::iter::empty()).is_err());
    }

    #[tokio::test]
    async fn private_address_is_never_connected_to() {
        let (port, connections) = serve(String::new()).await;
        let sender = Sender::new(AllowedAddresses::Public, Duration::from_secs(5)).unwrap();
        for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
            for scheme in ["https", "http"] {
                let url = format!("{scheme}://{host}:{port}/");
                assert_eq!(
                    sender.send(message(&url)).await,
                    Answer::None(NOT_ALLOWED),
                    "{url}"
                );
            }
        }
        assert_eq!(*connections.borrow(), 0);
    }

    #[tokio::test]
    async fn name_of_a_private_address_is_refused_when_it_resolves() {
        // The URL itself is allowed, as that of an attacker's domain is.
        let builder = Client::builder().no_proxy();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = builder
            .dns_resolver(Arc::new(PublicAddresses))
            .build()
            .unwrap();
        let (port, connections) = serve(String::new()).await;
        let error = client
            .post(format!("http://localhost:{port}/"))
            .send()
            .await
            .unwrap_err();
        assert_eq!(describe_error(&error), NOT_ALLOWED);
        assert_eq!(*connections.borrow(), 0);
    }

    #[tokio::test]
    async fn redirect_is_an_answer_and_not_followed() {
        let (port, connections) =
            serve("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_owned())
                .await;
        let sender = Sender::new(AllowedAddresses::Any, Duration::from_secs(5)).unwrap();
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(
            sender.send(message(&url)).await,
            Answer::Status {
                status: StatusCode::FOUND,
                retry_after: None
            }
        );
        assert_eq!(*connections.borrow(), 1);
    }

    #[tokio::test]
    async fn silent_receiver_ends_with_the_time_limit() {
        let (port, _connections) = serve(String::new()).await;
        let sender = Sender::new(AllowedAddresses::Any, Duration::from_millis(300)).unwrap();
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(
            sender.send(message(&url)).await,
            Answer::None("no response in time")
        );
    }

    #[tokio::test]
    async fn endless_response_is_read_in_part() {
        let body = "x".repeat(8 * MAX_RESPONSE);
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\nretry-after: 7\r\n\r\n";
        let (port, _connections) = serve(format!("{head}{body}")).await;
        let sender = Sender::new(AllowedAddresses::Any, Duration::from_secs(30)).unwrap();
        let url = format!("http://127.0.0.1:{port}/");
        let answer = tokio::time::timeout(Duration::from_secs(10), sender.send(message(&url)));
        assert_eq!(
            answer.await.unwrap(),
            Answer::Status {
                status: StatusCode::OK,
                retry_after: Some(Duration::from_secs(7))
            }
        );
    }
}
