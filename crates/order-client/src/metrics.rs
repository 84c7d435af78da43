//! The metrics of Temporal's SDK (`temporal_…`), for Prometheus.
//!
//! The SDK exports its metrics only through its own HTTP server. This module runs that server on a
//! free local port and passes the text on, so that one endpoint serves all metrics.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use temporalio_common::telemetry::{
    PrometheusExporterOptions, TelemetryOptions,
    metrics::{CoreMeter, TemporalMeter},
    start_prometheus_metric_exporter, telemetry_init,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The time limit for reading the metrics from this process.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The metrics of the SDK. Clones are cheap. The metrics exist until the program ends.
#[derive(Debug, Clone)]
pub struct SdkMetrics {
    core: Arc<dyn CoreMeter>,
    meter: Option<TemporalMeter>,
    address: SocketAddr,
}

impl SdkMetrics {
    /// The media type of Prometheus' text format.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Starts the export. Must be called within a tokio runtime.
    pub fn start() -> io::Result<Self> {
        let options = PrometheusExporterOptions::builder()
            .socket_addr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .counters_total_suffix(true)
            .unit_suffix(true)
            .use_seconds_for_durations(true)
            .build();
        let started = start_prometheus_metric_exporter(options).map_err(io::Error::other)?;
        let core: Arc<dyn CoreMeter> = started.meter;
        let measured = telemetry_init(
            TelemetryOptions::builder()
                .metrics(Arc::clone(&core))
                .build(),
        );
        let meter = measured
            .map_err(io::Error::other)?
            .get_temporal_metric_meter();
        Ok(Self {
            core,
            meter,
            address: started.bound_addr,
        })
    }

    /// Returns the meter for a worker's runtime.
    pub fn core_meter(&self) -> Arc<dyn CoreMeter> {
        Arc::clone(&self.core)
    }

    /// Returns the meter for a connection.
    pub(crate) fn meter(&self) -> Option<TemporalMeter> {
        self.meter.clone()
    }

    /// Returns the metrics as text. Returns an empty text on failure, so that our own metrics are
    /// served in any case.
    pub async fn prometheus_text(&self) -> String {
        match timeout(READ_TIMEOUT, self.fetch()).await {
            Ok(Ok(text)) => text,
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }

    async fn fetch(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        // HTTP/1.0 responses are not chunked, and the server closes the connection after the body.
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        let (_, body) = response
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(body.to_owned())
    }
}
