//! Sends spans to the collector over HTTP.
//!
//! The SDK exports from its own thread. A collector that is unavailable costs nothing but the spans:
//! the queue is bounded, and the first failure is logged.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::trace::SpanKind;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use tokio::runtime::Handle;

/// The largest response of a collector that is read, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// Sends the requests on the runtime of the program, because the SDK's thread has none.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    pub(super) runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        self.runtime
            .spawn(async move { send(&http, request).await })
            .await?
    }
}

async fn send(
    http: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let mut received = http.execute(request.try_into()?).await?;
    let mut response = Response::builder().status(received.status());
    if let Some(headers) = response.headers_mut() {
        *headers = std::mem::take(received.headers_mut());
    }
    let mut body = Vec::new();
    while let Some(chunk) = received.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_RESPONSE {
            return Err("the response of the collector is too long".into());
        }
    }
    Ok(response.body(body.into())?)
}

/// The exporter, with one warning when the collector stops to receive spans.
#[derive(Debug)]
pub(super) struct Exporter {
    pub(super) inner: OtlpExporter,
    pub(super) endpoint: String,
    pub(super) is_failing: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            if span.name.starts_with("temporal.") {
                span.span_kind = SpanKind::Client;
            }
        }
        let result = self.inner.export(batch).await;
        match &result {
            Ok(()) => self.is_failing.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        endpoint = self.endpoint,
                        "traces are lost: {error}; is the collector of OTEL_EXPORTER_OTLP_ENDPOINT running?"
                    );
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
