//! Requests that start a workflow and wait for its decision.

use std::time::{Duration, Instant};

use temporalio_client::{
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowUpdateWithStartOptions,
    errors::{WorkflowUpdateError, WorkflowUpdateWithStartError},
};

use crate::{Error, OrderClient, grpc_error::CallError};
use contract::QuotaExceeded;

/// The time limit for the decision: a worker must receive the request and write it into the database.
pub(crate) const DECISION_TIMEOUT: Duration = Duration::from_secs(15);

/// The time in which a request is repeated while the server is busy.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// The result of a request that a workflow decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionResult<T> {
    Decided(T),
    /// Too many equal requests wait for one decision.
    TooManyRequests(QuotaExceeded),
}

/// Returns the time until which a request is repeated while the server is busy.
pub(crate) fn busy_limit() -> Instant {
    Instant::now() + BUSY_LIMIT
}

impl OrderClient {
    /// Returns the options of a request that uses the running workflow or starts it again.
    pub(crate) fn decision_options(&self, workflow_id: String) -> WorkflowUpdateWithStartOptions {
        WorkflowUpdateWithStartOptions::new(
            self.connection.settings().orders_task_queue.clone(),
            workflow_id,
            WorkflowIdConflictPolicy::UseExisting,
        )
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .build()
    }
}

/// Returns the decision, or the quota that refused the request.
pub(crate) fn read_decision<T>(
    result: Result<T, CallError<WorkflowUpdateWithStartError>>,
) -> Result<DecisionResult<T>, Error> {
    match result {
        Ok(decision) => Ok(DecisionResult::Decided(decision)),
        Err(CallError::Sdk(WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(
            failure,
        )))) => match QuotaExceeded::parse(&failure.message) {
            Some(refusal) => Ok(DecisionResult::TooManyRequests(refusal)),
            None => Err(Error::Unexpected(failure.message.clone())),
        },
        Err(failure) => Err(failure.into_error()),
    }
}
