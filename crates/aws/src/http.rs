//! An HTTP client for the AWS SDK on top of `reqwest`, which the workspace uses anyway. The SDK's
//! own client would add a second HTTP stack and a second TLS library.

use std::time::Duration;

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use reqwest::{Client, Method};

use crate::json_api::client_builder;

/// Limits a connection attempt. Within a region it takes about a millisecond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// An HTTP client that the AWS SDK accepts. Request and response bodies are held in memory.
///
/// ```
/// let http = aws::Http::new()?;
/// # Ok::<(), reqwest::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Http(Client);

impl Http {
    /// Creates a client that follows no redirects.
    ///
    /// # Errors
    ///
    /// When TLS cannot be initialised.
    pub fn new() -> reqwest::Result<Self> {
        client_builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map(Self)
    }
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, &request).await })
    }
}

async fn send(client: &Client, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let method = Method::from_bytes(request.method().as_bytes())
        .map_err(|error| ConnectorError::user(error.into()))?;
    let mut call = client.request(method, request.uri());
    for (name, value) in request.headers() {
        call = call.header(name, value);
    }
    // The requests of this project are short, and none streams its body.
    let body = request.body().bytes().ok_or_else(|| {
        ConnectorError::user("the request streams its body, which is not supported".into())
    })?;
    let failed = |error: reqwest::Error| ConnectorError::io(error.without_url().into());
    let received = call.body(body.to_vec()).send().await.map_err(failed)?;
    let status = received.status().as_u16().try_into();
    let mut response = HttpResponse::new(
        status.map_err(|_| ConnectorError::user("the response has no valid status".into()))?,
        SdkBody::empty(),
    );
    for (name, value) in received.headers() {
        if let Ok(value) = value.to_str() {
            response
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    *response.body_mut() = SdkBody::from(received.bytes().await.map_err(failed)?);
    Ok(response)
}
