//! The export of spans to an OTLP collector.

mod exporter;
mod layer;
mod statement;

use std::{cell::Cell, sync::atomic::AtomicBool, time::Duration};

use exporter::{Client, Exporter};
pub(crate) use layer::trace_layer;
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Link, Span as _, SpanContext, SpanKind, TraceContextExt, TraceState, Tracer, TracerProvider,
    },
};
use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{
    Resource,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, SamplingDecision,
        SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
    },
};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{MODE, Mode, TraceContext, TraceSettings, sampling::Sampling};
use settings::{OTEL_EXPORTER_OTLP_ENDPOINT, SettingError};

/// The time limit of one request to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit of the last export, at the end of a program.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(4);
/// The interval of exports.
const EXPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The spans that wait for their export; further ones are lost. An order has about 35.
const QUEUE: usize = 16_384;

/// The running export.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Export {
    /// Starts the export. Must be called within a tokio runtime, which sends the spans.
    pub(super) fn start(settings: TraceSettings) -> Result<Self, SettingError> {
        let endpoint = settings.endpoint.clone();
        let rejected = |error: &dyn std::error::Error| {
            OTEL_EXPORTER_OTLP_ENDPOINT.reject(&endpoint, error.to_string())
        };
        let client = Client {
            http: http_client().map_err(|error| rejected(&error))?,
            runtime: Handle::current(),
        };
        let provider = provider(settings, client).map_err(|error| rejected(&error))?;
        let tracer = provider.tracer("orderflow");
        Ok(Self { provider, tracer })
    }

    pub(super) fn record_span(
        &self,
        name: String,
        parent: &TraceContext,
        span_id: [u8; 8],
        attributes: Vec<(&'static str, String)>,
    ) {
        let attributes = attributes
            .into_iter()
            .map(|(name, value)| KeyValue::new(name, value));
        NEXT_SPAN.set(Some(SpanId::from_bytes(span_id)));
        let mut span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, &remote_context(parent));
        NEXT_SPAN.set(None);
        span.end();
    }

    pub(super) async fn flush(&self) {
        // The export runs on this runtime, so its thread must not wait.
        let provider = self.provider.clone();
        let flushed = tokio::task::spawn_blocking(move || provider.force_flush());
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, flushed).await;
    }
}

/// Returns the tracer, or `None` if this program exports nothing.
fn tracer() -> Option<&'static SdkTracer> {
    match MODE.get()? {
        Mode::Export(export) => Some(&export.tracer),
        Mode::Propagate(_) => None,
    }
}

/// Returns the context of the current span.
pub(super) fn current() -> Option<TraceContext> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| TraceContext {
        trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(span.span_id().to_bytes()),
        flags: span.trace_flags().to_u8(),
        state: span.trace_state().header(),
    })
}

pub(super) fn continue_trace(span: &Span, caller: &TraceContext) {
    // Fails only for a span that is disabled or has been entered.
    let _ = span.set_parent(remote_context(caller));
}

fn remote_context(context: &TraceContext) -> Context {
    // A state that the library rejects is dropped, as W3C demands.
    let state: TraceState = context.state.parse().unwrap_or_default();
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(context.trace_id.to_be_bytes()),
        SpanId::from_bytes(context.span_id.to_be_bytes()),
        TraceFlags::new(context.flags),
        true,
        state,
    ))
}

fn http_client() -> reqwest::Result<reqwest::Client> {
    // Several crates depend on rustls and none installs a crypto provider. A second installation
    // fails, which is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(EXPORT_TIMEOUT)
        .build()
}

fn provider(
    settings: TraceSettings,
    client: Client,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let inner = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(&settings.endpoint)
        .with_headers(settings.headers)
        .with_timeout(EXPORT_TIMEOUT)
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let exporter = Exporter {
        inner,
        endpoint: settings.endpoint,
        is_failing: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_scheduled_delay(EXPORT_INTERVAL)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    let resource = Resource::builder()
        .with_service_name(settings.service)
        .build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Requests(settings.sampling))
        .with_id_generator(Ids::default())
        .with_span_processor(processor)
        .build())
}

/// Decides about a trace once, at the request that this program serves. All other spans follow the
/// decision of their parent; background work has no parent and no trace.
#[derive(Debug, Clone)]
struct Requests(Sampling);

impl ShouldSample for Requests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        _: &str,
        kind: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent
            .map(|parent| parent.span().span_context().clone())
            .filter(SpanContext::is_valid);
        let followed = parent.as_ref().map(SpanContext::is_sampled);
        let is_sampled = match kind {
            SpanKind::Server => {
                let trace_id = u128::from_be_bytes(trace_id.to_bytes());
                self.0.decide(trace_id, followed)
            }
            SpanKind::Client | SpanKind::Producer | SpanKind::Consumer | SpanKind::Internal => {
                followed.unwrap_or(false)
            }
        };
        SamplingResult {
            decision: if is_sampled {
                SamplingDecision::RecordAndSample
            } else {
                SamplingDecision::Drop
            },
            attributes: Vec::new(),
            trace_state: parent
                .map_or_else(TraceState::default, |parent| parent.trace_state().clone()),
        }
    }
}

thread_local! {
    static NEXT_SPAN: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Random ids, and the id that [`Export::record_span`] demands.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        self.0.new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        NEXT_SPAN.take().unwrap_or_else(|| self.0.new_span_id())
    }
}
