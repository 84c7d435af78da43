//! The trace context in the headers of Temporal.
//!
//! The header and its content are those of Temporal's SDKs, so that other clients and workers can
//! continue a trace. Without a trace no header is sent, and the history has no byte more.

use std::collections::HashMap;

use futures::future::BoxFuture;
use temporalio_client::{
    ClientInterceptor, Next, SignalWithStartWorkflowInput, SignalWorkflowInput, StartWorkflowInput,
    StartWorkflowOutput, StartWorkflowUpdateInput, StartWorkflowUpdateOutput,
    UpdateWithStartWorkflowInput, UpdateWithStartWorkflowOutput,
    errors::{
        WorkflowInteractionError, WorkflowStartError, WorkflowUpdateError,
        WorkflowUpdateWithStartError,
    },
};
use temporalio_common::protos::temporal::api::common::v1::{Header, Payload};

use telemetry::TraceContext;

/// The name of the header.
pub const TRACE_HEADER: &str = "_tracer-data";

/// Returns the payload of the header.
pub fn encode_trace(context: &TraceContext) -> Payload {
    let encoding = ("encoding".to_owned(), b"json/plain".to_vec());
    Payload {
        metadata: HashMap::from([encoding]),
        // A map of texts is always valid JSON.
        data: serde_json::to_vec(&context.fields()).unwrap_or_default(),
        ..Payload::default()
    }
}

/// Returns the trace context in the headers, or `None` without a valid one.
pub fn read_trace(headers: &HashMap<String, Payload>) -> Option<TraceContext> {
    let payload = headers.get(TRACE_HEADER)?;
    let fields: HashMap<String, String> = serde_json::from_slice(&payload.data).ok()?;
    TraceContext::from_fields(
        fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

/// Adds the context of the current span to each request that changes a workflow.
#[derive(Debug)]
pub(crate) struct SendTraceContext;

fn add_to(header: &mut Option<Header>) {
    if let Some(context) = telemetry::current_trace() {
        let fields = &mut header.get_or_insert_default().fields;
        fields.insert(TRACE_HEADER.to_owned(), encode_trace(&context));
    }
}

type Answer<'a, T, E> = BoxFuture<'a, Result<T, E>>;

impl ClientInterceptor for SendTraceContext {
    fn start_workflow<'a>(
        &'a self,
        mut input: StartWorkflowInput,
        next: Next<'a, StartWorkflowInput, Answer<'a, StartWorkflowOutput, WorkflowStartError>>,
    ) -> Answer<'a, StartWorkflowOutput, WorkflowStartError> {
        add_to(&mut input.options.header);
        next.run(input)
    }

    fn signal_with_start_workflow<'a>(
        &'a self,
        mut input: SignalWithStartWorkflowInput,
        next: Next<
            'a,
            SignalWithStartWorkflowInput,
            Answer<'a, StartWorkflowOutput, WorkflowStartError>,
        >,
    ) -> Answer<'a, StartWorkflowOutput, WorkflowStartError> {
        add_to(&mut input.options.header);
        next.run(input)
    }

    fn signal_workflow<'a>(
        &'a self,
        mut input: SignalWorkflowInput,
        next: Next<'a, SignalWorkflowInput, Answer<'a, (), WorkflowInteractionError>>,
    ) -> Answer<'a, (), WorkflowInteractionError> {
        add_to(&mut input.options.header);
        next.run(input)
    }

    fn start_workflow_update<'a>(
        &'a self,
        mut input: StartWorkflowUpdateInput,
        next: Next<
            'a,
            StartWorkflowUpdateInput,
            Answer<'a, StartWorkflowUpdateOutput, WorkflowUpdateError>,
        >,
    ) -> Answer<'a, StartWorkflowUpdateOutput, WorkflowUpdateError> {
        add_to(&mut input.options.header);
        next.run(input)
    }

    fn update_with_start_workflow<'a>(
        &'a self,
        mut input: UpdateWithStartWorkflowInput,
        next: Next<
            'a,
            UpdateWithStartWorkflowInput,
            Answer<'a, UpdateWithStartWorkflowOutput, WorkflowUpdateWithStartError>,
        >,
    ) -> Answer<'a, UpdateWithStartWorkflowOutput, WorkflowUpdateWithStartError> {
        add_to(&mut input.options.start_header);
        add_to(&mut input.options.update_header);
        next.run(input)
    }
}
