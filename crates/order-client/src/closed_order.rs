//! Changes of orders whose workflow has ended.

use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    WorkflowSignalOptions, WorkflowStartOptions, errors::WorkflowStartError,
};

use crate::{
    Error, OrderClient, UpdateResult,
    client::{SERVER_TIMEOUT, order_handle},
    grpc_error::CallError,
    origin_header::current_origin,
    update::{OUTCOME_TIMEOUT, anonymous_id},
};
use contract::{
    ClosedOrderOutcome, OrderChanged, RequestOrigin, TrackingReport, closed_order_workflow_id,
    request_fingerprint,
};
use domain::{NotesChange, OrderId};
use workflows::{
    ClosedOrderWorkflow, Message, OrderWorkflow, TrackingSignal,
    activity::{ClosedChange, ClosedOrderChange},
};

impl OrderClient {
    /// Changes the notes of an order that has ended, also after Temporal has deleted its workflow. A
    /// repeated call with the same `update_id` gets the first outcome. The audit event names the caller
    /// of [`with_origin`](crate::with_origin).
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the order does not exist, and [`Error::NoWorker`] if its row is not
    /// closed yet.
    #[tracing::instrument(name = "temporal.change_closed_order", skip_all)]
    pub async fn change_closed_order(
        &self,
        order_id: &OrderId,
        notes: &NotesChange,
        update_id: Option<&str>,
    ) -> Result<UpdateResult, Error> {
        let request = update_id.map_or_else(anonymous_id, str::to_owned);
        let change = ClosedChange::Notes(notes.clone());
        let fingerprint = request_fingerprint(&change);
        let id = self
            .start_change(order_id, (change, current_origin()), &request)
            .await?;
        let read = |client: Client| {
            let id = id.clone();
            async move {
                client
                    .get_workflow_handle::<ClosedOrderWorkflow>(id)
                    .get_result(WorkflowGetResultOptions::default())
                    .await
            }
        };
        let changed = self.connection.call(OUTCOME_TIMEOUT, read).await;
        let changed = match changed {
            Ok(changed) => changed,
            Err(CallError::TimedOut) => return Ok(UpdateResult::Undecided),
            Err(failure @ (CallError::Unreachable(_) | CallError::Sdk(_))) => {
                return Err(failure.into_error());
            }
        };
        if changed.request != fingerprint {
            return Ok(UpdateResult::UpdateIdReused);
        }
        match changed.outcome {
            ClosedOrderOutcome::Decided(outcome) => Ok(UpdateResult::Completed {
                outcome,
                repeated: false,
            }),
            ClosedOrderOutcome::OrderChanged { seq } => {
                Ok(UpdateResult::OrderChanged(OrderChanged { seq }))
            }
            ClosedOrderOutcome::StillOpen => Err(Error::NoWorker),
            ClosedOrderOutcome::NotFound => Err(Error::NotFound),
        }
    }

    /// Sends the report of a carrier to its order, or records it if the order has ended. Temporal then
    /// stores the report, so it is not lost. A repeated report has no effect.
    #[tracing::instrument(name = "temporal.report_tracking", skip_all)]
    pub async fn report_tracking(&self, report: &TrackingReport) -> Result<(), Error> {
        let order_id = &report.order_id;
        let signal = |client: Client| {
            let signal = TrackingSignal {
                report: report.clone(),
            };
            let message = Message::Valid(signal);
            async move {
                order_handle(&client, order_id)
                    .signal(
                        OrderWorkflow::tracking_report,
                        message,
                        WorkflowSignalOptions::default(),
                    )
                    .await
            }
        };
        match self.connection.call(SERVER_TIMEOUT, signal).await {
            Ok(()) => return Ok(()),
            Err(failure) => match failure.into_error() {
                // The order has ended, perhaps so long ago that Temporal has deleted it.
                Error::NotFound => {}
                error @ (Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_)) => {
                    return Err(error);
                }
            },
        }
        let request = request_fingerprint(&report.event.id).unwrap_or_default();
        let change = ClosedChange::Tracking(report.clone());
        let origin = Some(RequestOrigin::of_carrier());
        self.start_change(order_id, (change, origin), &request)
            .await
            .map(drop)
    }

    /// Starts a change of an order that has ended, unless this request has started it before. Returns the
    /// id of its workflow.
    async fn start_change(
        &self,
        order_id: &OrderId,
        (change, origin): (ClosedChange, Option<RequestOrigin>),
        request: &str,
    ) -> Result<String, Error> {
        let id = closed_order_workflow_id(order_id, request);
        let queue = self.connection.settings().orders_task_queue.clone();
        let options = WorkflowStartOptions::new(queue, id.clone())
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build();
        let change = ClosedOrderChange {
            order_id: order_id.clone(),
            change,
            origin,
        };
        let start = |client: Client| {
            let (change, options) = (change.clone(), options.clone());
            async move {
                client
                    .start_workflow(ClosedOrderWorkflow::run, change, options)
                    .await
            }
        };
        match self.connection.call(SERVER_TIMEOUT, start).await {
            Ok(_) | Err(CallError::Sdk(WorkflowStartError::AlreadyStarted { .. })) => Ok(id),
            Err(failure) => Err(failure.into_error()),
        }
    }
}
