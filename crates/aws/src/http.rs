//! The SDK's calls over the HTTP client that the workspace has already: the SDK's own brings another one, and its TLS.

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
use reqwest::{Client, Method, redirect::Policy};

/// Within a region it takes a millisecond.
const CONNECT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Http(Client);

impl Http {
    pub fn new() -> reqwest::Result<Self> {
        // Several crates bring rustls along and none chooses its cryptography; a second choice is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
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
    // What is asked for is short, and nothing is streamed.
    let body = request
        .body()
        .bytes()
        .ok_or_else(|| ConnectorError::user("a body that is streamed".into()))?;
    let failed = |error: reqwest::Error| ConnectorError::io(error.without_url().into());
    let answer = call.body(body.to_vec()).send().await.map_err(failed)?;
    let status = answer.status().as_u16().try_into();
    let mut response = HttpResponse::new(
        status.map_err(|_| ConnectorError::user("no status".into()))?,
        SdkBody::empty(),
    );
    for (name, value) in answer.headers() {
        if let Ok(value) = value.to_str() {
            response
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    *response.body_mut() = SdkBody::from(answer.bytes().await.map_err(failed)?);
    Ok(response)
}
