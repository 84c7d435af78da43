//! What Temporal's SDK measures of itself: `temporal_…`, for Prometheus.
//!
//! The SDK serves its metrics by itself and has no other way to get at them. So it does, at an address of this
//! machine that nobody else is told, and what it says is passed on beside our own.

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

/// It is in this process.
const ANSWER: Duration = Duration::from_secs(2);

/// The SDK's own metrics. Cheap to clone; they are kept for as long as the program runs.
#[derive(Debug, Clone)]
pub struct SdkMetrics {
    core: Arc<dyn CoreMeter>,
    meter: Option<TemporalMeter>,
    address: SocketAddr,
}

impl SdkMetrics {
    /// Of Prometheus' text format.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Must be called within tokio.
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

    /// For a worker's runtime.
    pub fn core_meter(&self) -> Arc<dyn CoreMeter> {
        Arc::clone(&self.core)
    }

    /// For a connection.
    pub(crate) fn meter(&self) -> Option<TemporalMeter> {
        self.meter.clone()
    }

    /// All of them as text; nothing when they can't be had, since ours are worth something alone.
    pub async fn prometheus_text(&self) -> String {
        match timeout(ANSWER, self.fetch()).await {
            Ok(Ok(text)) => text,
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }

    async fn fetch(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        // HTTP/1.0 is answered in one piece, and its end is the connection's.
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(body.to_owned())
    }
}
