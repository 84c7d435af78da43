//! Orders whose workflow was lost: the search for them, and the start of a run that ends the order.

use std::time::{Duration, SystemTime};

use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionStatus,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
    errors::WorkflowStartError,
};
use temporalio_common::{MemoValues, search_attributes::SearchAttributes};

use crate::{
    Error, OrderClient,
    client::{SERVER_TIMEOUT, order_handle},
    grpc_error::CallError,
    shared_run::start_on_schedule,
    start::{CURRENT_RULES, FINGERPRINT_MEMO, REQUEST_ID_MEMO},
};
use contract::order_workflow_id;
use domain::{OrderId, OrderPolicy, Span};
use workflows::{
    Message, OrderInput, OrderWorkflow, Recovery, RecoveryWorkflow,
    activity::{LossCause, RecoveryInput, RecoveryReport},
    search_attribute_updates,
};

/// The minute of each hour at which the workers search for lost workflows.
const HOURLY: &str = "43 * * * *";

/// The time limit of a search, which describes the workflow of each open order.
const REPORT_TIMEOUT: Duration = Duration::from_secs(600);

/// The states of a workflow that has ended.
const CAUSES: [(WorkflowExecutionStatus, LossCause); 5] = [
    (WorkflowExecutionStatus::Terminated, LossCause::Terminated),
    (WorkflowExecutionStatus::TimedOut, LossCause::TimedOut),
    (WorkflowExecutionStatus::Failed, LossCause::Failed),
    (WorkflowExecutionStatus::Completed, LossCause::Completed),
    (WorkflowExecutionStatus::Canceled, LossCause::Completed),
];

/// A lost workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub cause: LossCause,
    fingerprint: Option<String>,
    request_id: Option<String>,
}

impl OrderClient {
    /// Returns the loss of an order whose row is still running. Returns `None` while the workflow
    /// runs, or if it closed less than `idle_for` ago.
    #[tracing::instrument(name = "temporal.find_loss", skip_all)]
    pub async fn find_loss(
        &self,
        order_id: &OrderId,
        idle_for: Duration,
    ) -> Result<Option<Loss>, Error> {
        let call = |client: Client| async move {
            order_handle(&client, order_id)
                .describe(WorkflowDescribeOptions::default())
                .await
        };
        let described = self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error);
        match described {
            Ok(description) => Ok(loss_from_description(&description, idle_for)),
            Err(Error::NotFound) => Ok(Some(Loss {
                cause: LossCause::Missing,
                fingerprint: None,
                request_id: None,
            })),
            Err(error) => Err(error),
        }
    }

    /// Starts a run that ends the order of a lost workflow. Does nothing if a workflow of the order
    /// runs.
    #[tracing::instrument(name = "temporal.restart_order", skip_all)]
    pub async fn restart_order(
        &self,
        recovery: Recovery,
        policy: Option<OrderPolicy>,
        loss: &Loss,
    ) -> Result<(), Error> {
        let settings = self.connection.settings();
        let state = &recovery.state;
        let attributes =
            search_attribute_updates(state.status(), state.step(), state.order.as_ref());
        let mut memo = MemoValues::new();
        for (key, value) in [
            (FINGERPRINT_MEMO, &loss.fingerprint),
            (REQUEST_ID_MEMO, &loss.request_id),
        ] {
            if let Some(value) = value {
                memo.insert(key, value.clone());
            }
        }
        let workflow_id = order_workflow_id(&state.order_id);
        let options = WorkflowStartOptions::new(settings.orders_task_queue.clone(), workflow_id)
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .search_attributes(SearchAttributes::new(attributes))
            .memo(memo)
            .build();
        let input = OrderInput {
            policy,
            shipping_task_queue: Some(settings.shipping_task_queue.clone()),
            receipt: CURRENT_RULES,
            continued: None,
            recovery: Some(Box::new(recovery)),
            ..OrderInput::default()
        };
        let call = |client: Client| {
            let (input, options) = (Message::Valid(input.clone()), options.clone());
            async move {
                client
                    .start_workflow(OrderWorkflow::run, input, options)
                    .await
            }
        };
        match self.connection.call(SERVER_TIMEOUT, call).await {
            Ok(_) | Err(CallError::Sdk(WorkflowStartError::AlreadyStarted { .. })) => Ok(()),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Searches for lost workflows, starts them again, and returns the report. A search that is
    /// already running is shared.
    #[tracing::instrument(name = "temporal.recover", skip_all)]
    pub async fn recover_orders(&self, input: &RecoveryInput) -> Result<RecoveryReport, Error> {
        let queue = &self.connection.settings().orders_task_queue;
        let run: fn() -> _ = || RecoveryWorkflow::run;
        let workflow = (run, format!("recover-{queue}"));
        self.run_shared("search", workflow, input.clone(), REPORT_TIMEOUT)
            .await
    }
}

/// Starts the search for lost workflows, every hour, unless it was started before.
pub async fn recover_hourly(
    client: &Client,
    task_queue: String,
    idle_for: Span,
) -> Result<(), String> {
    let id = format!("recover-hourly-{task_queue}");
    let input = RecoveryInput {
        idle_for,
        all: false,
    };
    let workflow = (RecoveryWorkflow::run, id, task_queue);
    start_on_schedule(client, workflow, input, HOURLY).await
}

fn loss_from_description(
    description: &WorkflowExecutionDescription,
    idle_for: Duration,
) -> Option<Loss> {
    let (_, cause) = CAUSES
        .into_iter()
        .find(|(status, _)| *status == description.status())?;
    let closed_for = SystemTime::now()
        .duration_since(description.close_time()?)
        .unwrap_or_default();
    if closed_for < idle_for {
        return None;
    }
    let memo = description.memo();
    let text = |key: &str| memo.get::<String>(key).ok().flatten();
    Some(Loss {
        cause,
        fingerprint: text(FINGERPRINT_MEMO),
        request_id: text(REQUEST_ID_MEMO),
    })
}
