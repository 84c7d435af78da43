//! Traces of workflows and activities: the context of the request that started a workflow reaches its activities.
//!
//! The SDK's own plugin keeps the span of a workflow open until the workflow ends, so a crash of the
//! worker loses the parent of all its spans. It also copies errors into spans. This interceptor
//! records a span at the start of a run and of a request, with an id that a replay computes again. A
//! replay records no span.
//!
//! The interceptor changes only headers, which Temporal does not compare during a replay. So tracing
//! can be turned on and off while orders are open.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use sha2::{Digest, Sha256};
use temporalio_common::protos::temporal::api::common::v1::Payload;
use temporalio_sdk::{
    WorkflowContextKey,
    interceptors::ExecuteActivityInput,
    workflow_interceptors::{
        CancellableWorkflowOutboundFuture, ContinueAsNewInput, ContinueAsNewResult,
        ExecuteWorkflowInput, ExecuteWorkflowResult, HandleSignalInput, HandleSignalResult,
        HandleUpdateInput, HandleUpdateResult, ScheduleActivityInput, ScheduleActivityResult,
        ScheduleLocalActivityInput, SignalWorkflowInput, SignalWorkflowResult,
        StartChildWorkflowInput, StartChildWorkflowResult, SyncWorkflowInterceptorContext,
        WorkflowInterceptor, WorkflowInterceptorConstructor, WorkflowInterceptorContext,
        WorkflowInterceptorFuture, WorkflowNext,
    },
};
use tracing::{Instrument, Span, field};

use order_client::{TRACE_HEADER, encode_trace, read_trace};
use telemetry::TraceContext;

/// Returns the interceptor of workflows, or none if tracing is off.
pub(crate) fn workflow_traces() -> Vec<WorkflowInterceptorConstructor> {
    let construct = || WorkflowInterceptorConstructor::new(|_| WorkflowTraces::default());
    telemetry::is_tracing()
        .then(construct)
        .into_iter()
        .collect()
}

/// The context of the signal or update whose handler is running.
struct OfMessage;

impl WorkflowContextKey for OfMessage {
    type Value = TraceContext;
}

#[derive(Default)]
struct WorkflowTraces {
    of_run: RefCell<Option<TraceContext>>,
}

type Headers = HashMap<String, Payload>;

impl WorkflowTraces {
    /// Adds the context of the running handler, else of the run.
    fn send(&self, of_message: Option<Rc<TraceContext>>, headers: &mut Headers) {
        let of_run = self.of_run.borrow();
        if let Some(trace) = of_message.as_deref().or(of_run.as_ref()) {
            headers.insert(TRACE_HEADER.to_owned(), encode_trace(trace));
        }
    }
}

/// Records a span of the workflow, unless this is a replay. Returns its context, or `None` without a
/// trace in `headers`.
fn record(
    context: &WorkflowInterceptorContext,
    headers: &Headers,
    name: String,
) -> Option<TraceContext> {
    let parent = read_trace(headers)?;
    let span_id = span_id(context.run_id(), &parent);
    if !context.is_replaying_history_events() {
        let attributes = [
            ("temporalWorkflowID", context.workflow_id().to_owned()),
            ("temporalRunID", context.run_id().to_owned()),
        ];
        telemetry::record_span(name, &parent, span_id, attributes.to_vec());
    }
    Some(parent.with_span_id(span_id))
}

/// Runs a handler with the context of its message.
///
/// Later, at the first poll: the context then has the values of outer interceptors, such as the
/// update that `workflows::request_quota` counts.
fn in_message<'a, T: 'a>(
    context: WorkflowInterceptorContext,
    trace: TraceContext,
    handle: impl FnOnce() -> WorkflowInterceptorFuture<'a, T> + 'a,
) -> WorkflowInterceptorFuture<'a, T> {
    WorkflowInterceptorFuture::new(async move {
        context
            .with_context_value::<OfMessage, _>(trace, handle())
            .await
    })
}

/// Returns the id of the span that `parent` caused in this run, the same in each replay.
fn span_id(run_id: &str, parent: &TraceContext) -> [u8; 8] {
    let mut hash = Sha256::new();
    for part in [run_id, &parent.fields()["traceparent"]] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut id = [0; 8];
    id.copy_from_slice(&hash[..8]);
    id
}

impl WorkflowInterceptor for WorkflowTraces {
    fn execute<'a>(
        &'a self,
        context: WorkflowInterceptorContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<
            'a,
            ExecuteWorkflowInput,
            WorkflowInterceptorFuture<'a, ExecuteWorkflowResult>,
        >,
    ) -> WorkflowInterceptorFuture<'a, ExecuteWorkflowResult> {
        let name = format!("RunWorkflow:{}", context.workflow_type());
        *self.of_run.borrow_mut() = record(&context, input.headers(), name);
        next.run(input)
    }

    fn handle_signal<'a>(
        &'a self,
        context: WorkflowInterceptorContext,
        input: HandleSignalInput,
        next: WorkflowNext<
            'a,
            HandleSignalInput,
            WorkflowInterceptorFuture<'a, HandleSignalResult>,
        >,
    ) -> WorkflowInterceptorFuture<'a, HandleSignalResult> {
        let name = format!("HandleSignal:{}", input.name());
        match record(&context, input.headers(), name) {
            Some(trace) => in_message(context, trace, || next.run(input)),
            None => next.run(input),
        }
    }

    fn handle_update<'a>(
        &'a self,
        context: WorkflowInterceptorContext,
        input: HandleUpdateInput,
        next: WorkflowNext<
            'a,
            HandleUpdateInput,
            WorkflowInterceptorFuture<'a, HandleUpdateResult>,
        >,
    ) -> WorkflowInterceptorFuture<'a, HandleUpdateResult> {
        let name = format!("HandleUpdate:{}", input.name());
        match record(&context, input.headers(), name) {
            Some(trace) => in_message(context, trace, || next.run(input)),
            None => next.run(input),
        }
    }

    fn schedule_activity(
        &self,
        context: WorkflowInterceptorContext,
        mut input: ScheduleActivityInput,
        next: WorkflowNext<
            'static,
            ScheduleActivityInput,
            CancellableWorkflowOutboundFuture<ScheduleActivityResult>,
        >,
    ) -> CancellableWorkflowOutboundFuture<ScheduleActivityResult> {
        self.send(context.context_value::<OfMessage>(), input.headers_mut());
        next.run(input)
    }

    fn schedule_local_activity(
        &self,
        context: WorkflowInterceptorContext,
        mut input: ScheduleLocalActivityInput,
        next: WorkflowNext<
            'static,
            ScheduleLocalActivityInput,
            CancellableWorkflowOutboundFuture<ScheduleActivityResult>,
        >,
    ) -> CancellableWorkflowOutboundFuture<ScheduleActivityResult> {
        self.send(context.context_value::<OfMessage>(), input.headers_mut());
        next.run(input)
    }

    fn start_child_workflow(
        &self,
        context: WorkflowInterceptorContext,
        mut input: StartChildWorkflowInput,
        next: WorkflowNext<
            'static,
            StartChildWorkflowInput,
            CancellableWorkflowOutboundFuture<StartChildWorkflowResult>,
        >,
    ) -> CancellableWorkflowOutboundFuture<StartChildWorkflowResult> {
        self.send(context.context_value::<OfMessage>(), input.headers_mut());
        next.run(input)
    }

    fn signal_workflow(
        &self,
        context: WorkflowInterceptorContext,
        mut input: SignalWorkflowInput,
        next: WorkflowNext<
            'static,
            SignalWorkflowInput,
            CancellableWorkflowOutboundFuture<SignalWorkflowResult>,
        >,
    ) -> CancellableWorkflowOutboundFuture<SignalWorkflowResult> {
        self.send(context.context_value::<OfMessage>(), input.headers_mut());
        next.run(input)
    }

    fn continue_as_new(
        &self,
        _: SyncWorkflowInterceptorContext,
        mut input: ContinueAsNewInput,
        next: WorkflowNext<'static, ContinueAsNewInput, ContinueAsNewResult>,
    ) -> ContinueAsNewResult {
        self.send(None, input.headers_mut());
        next.run(input)
    }
}

/// Returns the span of one attempt of an activity, which is part of the trace in its headers.
///
/// Its level keeps it out of the log lines.
pub(crate) fn activity_span(input: &ExecuteActivityInput) -> Span {
    let info = input.activity_info();
    let span = tracing::trace_span!(
        "activity.run",
        otel.name = format!("RunActivity:{}", info.activity_type),
        otel.kind = "consumer",
        otel.status_code = field::Empty,
        temporalWorkflowID = info.workflow_id,
        temporalRunID = info.workflow_run_id,
        temporalActivityID = info.activity_id,
        attempt = i64::from(info.attempt),
        is_local = info.is_local,
    );
    if let Some(trace) = read_trace(input.headers()) {
        telemetry::continue_trace(&span, &trace);
    }
    span
}

/// Runs `call` in `span`, which gets no text of an error: the log has it.
pub(crate) async fn trace_call<T, E>(
    span: Span,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let result = call.instrument(span.clone()).await;
    if result.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_id_depends_on_run_and_caller() {
        let parent = |id: u64| {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{id:016x}-01");
            TraceContext::from_fields([("traceparent", text.as_str())]).unwrap()
        };
        let first = span_id("run-1", &parent(1));
        assert_eq!(first, span_id("run-1", &parent(1)));
        assert_ne!(first, span_id("run-2", &parent(1)));
        assert_ne!(first, span_id("run-1", &parent(2)));
    }
}
