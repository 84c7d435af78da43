//! The comparison of a provider's payments with the ledger, which a worker does.

use std::time::Duration;

use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    WorkflowStartOptions, errors::WorkflowGetResultError,
};

use crate::{Error, OrderClient, client::SERVER_TIMEOUT, grpc_error::CallError};
use domain::{Span, WebhookProvider};
use workflows::{
    ReconcileWorkflow,
    activity::{ReconcileInput, ReconcileReport},
};

/// The minute of each hour at which the workers' own comparison runs.
const HOURLY: &str = "23 * * * *";

/// The age of the oldest payment of the hourly comparison.
const DAY: u64 = 86_400;

/// The time limit of the comparison, which calls the provider.
const REPORT_TIMEOUT: Duration = Duration::from_secs(300);

impl OrderClient {
    /// Compares the provider's payments that are younger than `since` with the ledger, and returns
    /// the workflow's report. A comparison that is already running is shared.
    #[tracing::instrument(name = "temporal.reconcile", skip_all)]
    pub async fn reconcile(
        &self,
        provider: WebhookProvider,
        since: Span,
    ) -> Result<ReconcileReport, Error> {
        let queue = self.connection.settings().orders_task_queue.clone();
        let options = WorkflowStartOptions::new(queue, format!("reconcile-{provider}"))
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build();
        let input = ReconcileInput { provider, since };
        let start = |client: Client| {
            let (input, options) = (input.clone(), options.clone());
            async move {
                client
                    .start_workflow(ReconcileWorkflow::run, input, options)
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

/// Starts the comparison of the last day, every hour, unless it was started before.
pub async fn reconcile_hourly(
    client: &Client,
    task_queue: String,
    provider: WebhookProvider,
) -> Result<(), String> {
    let options = WorkflowStartOptions::new(task_queue, format!("reconcile-hourly-{provider}"))
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .cron_schedule(HOURLY.to_owned())
        .build();
    let input = ReconcileInput {
        provider,
        since: Span::from_secs(DAY),
    };
    client
        .start_workflow(ReconcileWorkflow::run, input, options)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

fn explain(error: &WorkflowGetResultError) -> Error {
    Error::Unexpected(format!("the comparison failed: {error}"))
}
