//! The comparison of a provider's payments with the ledger, which a worker does.

use std::time::Duration;

use serde_json::{Value, json};
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    WorkflowStartOptions, errors::WorkflowGetResultError,
};
use temporalio_common::{HasWorkflowDefinition, WorkflowDefinition};

use crate::{Error, OrderClient, client::SERVER_TIMEOUT, grpc_error::CallError};
use domain::{Span, WebhookProvider};

/// The time limit of the comparison, which calls the provider.
const REPORT_TIMEOUT: Duration = Duration::from_secs(300);

/// The workflow by its name. Its input is `{"provider", "since"}`, its result
/// `{"checked", "differences": [{"transaction_id", "field", "ours", "theirs"}]}`.
struct ReconcileWorkflow;

impl WorkflowDefinition for ReconcileWorkflow {
    type Input = Value;
    type Output = Value;

    fn name(&self) -> &str {
        "ReconcileWorkflow"
    }
}

impl HasWorkflowDefinition for ReconcileWorkflow {
    type Run = Self;
}

impl OrderClient {
    /// Compares the provider's payments that are younger than `since` with the ledger, and returns
    /// the workflow's report. A comparison that is already running is shared.
    #[tracing::instrument(name = "temporal.reconcile", skip_all)]
    pub async fn reconcile(&self, provider: WebhookProvider, since: Span) -> Result<Value, Error> {
        let queue = self.connection.settings().orders_task_queue.clone();
        let options = WorkflowStartOptions::new(queue, format!("reconcile-{provider}"))
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build();
        let input = json!({"provider": provider, "since": since});
        let start = |client: Client| {
            let (input, options) = (input.clone(), options.clone());
            async move {
                client
                    .start_workflow(ReconcileWorkflow, input, options)
                    .await
            }
        };
        let handle = self
            .connection
            .call(SERVER_TIMEOUT, start)
            .await
            .map_err(CallError::into_error)?;
        let report = handle.get_result(WorkflowGetResultOptions::default());
        match tokio::time::timeout(REPORT_TIMEOUT, report).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(Error::NoWorker),
        }
    }
}

fn explain(error: &WorkflowGetResultError) -> Error {
    Error::Unexpected(format!("the comparison failed: {error}"))
}
