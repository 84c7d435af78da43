//! Requests for refunds, each of which is a workflow.

use temporalio_client::{
    Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
    errors::WorkflowStartError,
};

use crate::{
    DecisionResult, Error, OrderClient,
    client::SERVER_TIMEOUT,
    decision::{DECISION_TIMEOUT, busy_limit, read_decision},
    grpc_error::CallError,
};
use contract::{
    RefundDecision, RefundRequest, RequestOrigin, refund_workflow_id, request_fingerprint,
};
use domain::{OrderId, RefundId};
use workflows::{RefundInput, RefundWorkflow};

/// A request for a refund.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRefund<'a> {
    pub order_id: &'a OrderId,
    /// The same for each repetition of the request.
    pub refund_id: RefundId,
    pub request: RefundRequest,
    pub origin: RequestOrigin,
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
    pub async fn request_refund(
        &self,
        refund: NewRefund<'_>,
    ) -> Result<DecisionResult<RefundDecision>, Error> {
        let refund = RefundInput {
            order_id: refund.order_id.clone(),
            refund_id: refund.refund_id,
            fingerprint: request_fingerprint(&refund.request).unwrap_or_default(),
            request: refund.request,
            requested_by: refund.origin.actor.clone(),
            origin: Some(refund.origin),
        };
        let options =
            self.decision_options(refund_workflow_id(&refund.order_id, &refund.refund_id));
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
        let decided = self
            .connection
            .call_until(DECISION_TIMEOUT, busy_limit(), start)
            .await;
        read_decision(decided)
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
