//! Workflows of which one run at a time serves all callers, such as a search with a report.

use std::time::Duration;

use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    WorkflowStartOptions,
};
use temporalio_common::HasWorkflowDefinition;

use crate::{Error, OrderClient, client::SERVER_TIMEOUT, grpc_error::CallError};

/// Returns the options of a run that joins one that is in progress, and that can follow an earlier one.
pub(crate) fn shared_options(task_queue: String, id: String) -> WorkflowStartOptions {
    WorkflowStartOptions::new(task_queue, id)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .build()
}

impl OrderClient {
    /// Runs a workflow on the orders' queue, or joins the run with this id, and returns its report.
    /// `name` is the name of the work in an error.
    pub(crate) async fn run_shared<W>(
        &self,
        name: &str,
        (workflow, id): (fn() -> W, String),
        input: W::Input,
        limit: Duration,
    ) -> Result<W::Output, Error>
    where
        W: HasWorkflowDefinition,
        W::Input: Clone + Send,
    {
        let queue = self.connection.settings().orders_task_queue.clone();
        let options = shared_options(queue, id);
        let start = |client: Client| {
            let (input, options) = (input.clone(), options.clone());
            async move { client.start_workflow(workflow(), input, options).await }
        };
        let handle = self
            .connection
            .call(SERVER_TIMEOUT, start)
            .await
            .map_err(CallError::into_error)?;
        let report = handle.get_result(WorkflowGetResultOptions::default());
        match tokio::time::timeout(limit, report).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(error)) => Err(Error::Unexpected(format!("the {name} failed: {error}"))),
            Err(_) => Err(Error::NoWorker),
        }
    }
}

/// Starts a workflow at the times of a cron schedule, unless it was started before.
pub(crate) async fn start_on_schedule<W>(
    client: &Client,
    (workflow, id, task_queue): (W, String, String),
    input: W::Input,
    schedule: &str,
) -> Result<(), String>
where
    W: HasWorkflowDefinition,
    W::Input: Send,
{
    let options = WorkflowStartOptions::new(task_queue, id)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .cron_schedule(schedule.to_owned())
        .build();
    client
        .start_workflow(workflow, input, options)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}
