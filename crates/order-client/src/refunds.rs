//! Requests for refunds, each of which is a workflow.

use std::time::{Duration, Instant};

use temporalio_client::{
    Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
    WorkflowUpdateWithStartOptions,
    errors::{WorkflowStartError, WorkflowUpdateError, WorkflowUpdateWithStartError},
};

use crate::{Error, OrderClient, client::SERVER_TIMEOUT, grpc_error::CallError};
use contract::{
    QuotaExceeded, RefundDecision, RefundRequest, RequestOrigin, refund_workflow_id,
    request_fingerprint,
};
use domain::{OrderId, RefundId};
use workflows::{RefundInput, RefundWorkflow};

/// The time limit for the decision: a worker must receive the refund and write it into the database.
const DECISION_TIMEOUT: Duration = Duration::from_secs(15);

/// The time in which a request is repeated while the server is busy.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// A request for a refund.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRefund<'a> {
    pub order_id: &'a OrderId,
    /// The same for each repetition of the request.
    pub refund_id: RefundId,
    pub request: RefundRequest,
    pub origin: RequestOrigin,
}

/// The result of a request for a refund.
#[derive(Debug, Clone, PartialEq)]
pub enum RefundResult {
    Decided(RefundDecision),
    /// Too many equal requests wait for one decision.
    TooManyRequests(QuotaExceeded),
}

impl OrderClient {
    /// Starts a refund, and returns the decision about it. A repeated call with the same ids returns the
    /// decision of the first call, and its refund.
    ///
    /// # Errors
    ///
    /// [`Error::NoWorker`] when there is no decision in time. The refund can be decided later, so the
    /// call must be repeated with the same ids.
    #[tracing::instrument(name = "temporal.request_refund", skip_all)]
    pub async fn request_refund(&self, refund: NewRefund<'_>) -> Result<RefundResult, Error> {
        let refund = RefundInput {
            order_id: refund.order_id.clone(),
            refund_id: refund.refund_id,
            fingerprint: request_fingerprint(&refund.request).unwrap_or_default(),
            request: refund.request,
            requested_by: refund.origin.actor.clone(),
            origin: Some(refund.origin),
        };
        let options = WorkflowUpdateWithStartOptions::new(
            self.connection.settings().orders_task_queue.clone(),
            refund_workflow_id(&refund.order_id, &refund.refund_id),
            WorkflowIdConflictPolicy::UseExisting,
        )
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .build();
        let start = |client: Client| {
            let (input, options) = (refund.clone(), options.clone());
            let fingerprint = refund.fingerprint.clone();
            async move {
                client
                    .execute_update_with_start_workflow(
                        RefundWorkflow::run,
                        input,
                        RefundWorkflow::claim_refund,
                        fingerprint,
                        options,
                    )
                    .await
            }
        };
        let until = Instant::now() + BUSY_LIMIT;
        match self
            .connection
            .call_until(DECISION_TIMEOUT, until, start)
            .await
        {
            Ok(decision) => Ok(RefundResult::Decided(decision)),
            Err(CallError::Sdk(WorkflowUpdateWithStartError::Update(
                WorkflowUpdateError::Failed(failure),
            ))) => match QuotaExceeded::parse(&failure.message) {
                Some(refusal) => Ok(RefundResult::TooManyRequests(refusal)),
                None => Err(Error::Unexpected(failure.message.clone())),
            },
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Starts the workflow of a refund again. Returns `false` if it runs.
    ///
    /// # Errors
    ///
    /// Temporal is unavailable.
    #[tracing::instrument(name = "temporal.restart_refund", skip_all)]
    pub async fn restart_refund(&self, refund: &RefundInput) -> Result<bool, Error> {
        let queue = self.connection.settings().orders_task_queue.clone();
        let id = refund_workflow_id(&refund.order_id, &refund.refund_id);
        let options = WorkflowStartOptions::new(queue, id)
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .build();
        let start = |client: Client| {
            let (input, options) = (refund.clone(), options.clone());
            async move {
                client
                    .start_workflow(RefundWorkflow::run, input, options)
                    .await
            }
        };
        match self.connection.call(SERVER_TIMEOUT, start).await {
            Ok(_) => Ok(true),
            Err(CallError::Sdk(WorkflowStartError::AlreadyStarted { .. })) => Ok(false),
            Err(failure) => Err(failure.into_error()),
        }
    }
}
