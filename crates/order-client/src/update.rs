//! Requests to an order, sent as Temporal updates.

use std::time::{Duration, Instant};

use temporalio_client::{
    Client, RpcOptions, WorkflowStartUpdateOptions, WorkflowUpdateHandle,
    errors::WorkflowUpdateError,
};
use temporalio_common::{HasWorkflowDefinition, UpdateDefinition};

use crate::{
    Error, OrderClient, OrderCommand,
    client::{SERVER_TIMEOUT, order_handle, run_handle},
    grpc_error::CallError,
    pauses::Pauses,
};
use contract::{
    ANONYMOUS_UPDATE, OrderChanged, QuotaExceeded, RecordedOutcome, UpdateOutcome,
    request_fingerprint,
};
use domain::OrderId;
use workflows::{Decode, Message, OrderWorkflow};

/// The time limit for a worker to accept an update. Without a worker the update is never accepted.
const ACCEPTANCE_TIMEOUT: Duration = Duration::from_secs(5);

/// The time in which an update waits for others of its order, and in which it is repeated while its order
/// continues as new, which takes milliseconds, or after Temporal has lost it.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// The time limit for the outcome of an update. The order decides within 15 s; two seconds are for
/// transport.
pub(crate) const OUTCOME_TIMEOUT: Duration = Duration::from_secs(17);

/// The result of a request to an order.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateResult {
    /// The order's decision. `repeated`: an earlier update with the same id got this decision.
    Completed {
        outcome: UpdateOutcome,
        repeated: bool,
    },
    /// A worker accepted the request, but its outcome is not known yet. Read the order's status
    /// later.
    Undecided,
    /// The order is closed and did not receive the request.
    OrderClosed,
    /// An earlier update with this id contained another request.
    UpdateIdReused,
    /// The order got too many requests of this kind, and did not accept this one.
    TooManyRequests(QuotaExceeded),
    /// The order has another state than the request's `If-Match`, and did not accept the request.
    OrderChanged(OrderChanged),
}

impl UpdateResult {
    /// Returns the recorded outcome, or `UpdateIdReused` if it belongs to another request.
    fn from_recorded(request: Option<&str>, recorded: RecordedOutcome, repeated: bool) -> Self {
        match (request, recorded.request) {
            (Some(requested), Some(existing)) if requested != existing => Self::UpdateIdReused,
            _ => Self::Completed {
                outcome: recorded.outcome,
                repeated,
            },
        }
    }
}

/// Returns the id of a request that no caller repeats.
pub(crate) fn anonymous_id() -> String {
    format!("{ANONYMOUS_UPDATE}{:032x}", rand::random::<u128>())
}

impl OrderClient {
    /// Sends `command` to the order as an update.
    ///
    /// A repeated call with the same `update_id` returns the first outcome, even after the order
    /// closed. Without an `update_id`, each call is a separate request.
    #[tracing::instrument(name = "temporal.update", skip_all)]
    pub async fn update_order(
        &self,
        order_id: &OrderId,
        command: OrderCommand,
        update_id: Option<&str>,
    ) -> Result<UpdateResult, Error> {
        match command {
            OrderCommand::Approve(body) => {
                self.update(order_id, || OrderWorkflow::approve_order, body, update_id)
                    .await
            }
            OrderCommand::Reject(body) => {
                self.update(order_id, || OrderWorkflow::reject_order, body, update_id)
                    .await
            }
            OrderCommand::Cancel(body) => {
                self.update(order_id, || OrderWorkflow::cancel_order, body, update_id)
                    .await
            }
            OrderCommand::UpdateAddress(body) => {
                self.update(order_id, || OrderWorkflow::update_address, body, update_id)
                    .await
            }
            OrderCommand::CancelPayment(body) => {
                self.update(order_id, || OrderWorkflow::cancel_payment, body, update_id)
                    .await
            }
            OrderCommand::ConfirmPayment(body) => {
                self.update(order_id, || OrderWorkflow::confirm_payment, body, update_id)
                    .await
            }
            OrderCommand::Hold(body) => {
                self.update(order_id, || OrderWorkflow::hold_order, body, update_id)
                    .await
            }
            OrderCommand::Release(body) => {
                self.update(order_id, || OrderWorkflow::release_order, body, update_id)
                    .await
            }
            OrderCommand::Update(body) => {
                self.update(order_id, || OrderWorkflow::update_order, body, update_id)
                    .await
            }
            OrderCommand::UpdateItems(body) => {
                self.update(order_id, || OrderWorkflow::update_items, body, update_id)
                    .await
            }
            OrderCommand::ConfirmDelivery(body) => {
                self.update(
                    order_id,
                    || OrderWorkflow::confirm_delivery,
                    body,
                    update_id,
                )
                .await
            }
        }
    }

    async fn update<U, T>(
        &self,
        order_id: &OrderId,
        update: fn() -> U,
        body: T,
        update_id: Option<&str>,
    ) -> Result<UpdateResult, Error>
    where
        U: UpdateDefinition<
                Workflow = <OrderWorkflow as HasWorkflowDefinition>::Run,
                Input = Message<T>,
                Output = RecordedOutcome,
            >,
        T: Decode + Clone + Send + Sync,
    {
        let mut update_id = update_id;
        let request = request_fingerprint(&body);
        if let Some(known) = update_id
            && let Some(result) = self
                .read_earlier_result(order_id, update, known, request.as_deref())
                .await?
        {
            match result {
                // The first update ended before the order had decided. A new update id lets the order
                // decide again, and the order detects a repeated request itself.
                UpdateResult::Completed {
                    outcome: UpdateOutcome::Undecided { .. },
                    ..
                } => update_id = None,
                UpdateResult::Completed { .. }
                | UpdateResult::Undecided
                | UpdateResult::OrderClosed
                | UpdateResult::UpdateIdReused
                | UpdateResult::TooManyRequests(_)
                | UpdateResult::OrderChanged(_) => {
                    return Ok(result);
                }
            }
        }
        // The update always has an id, so that Temporal detects a repeat on a new connection.
        let update_id = update_id.map_or_else(anonymous_id, str::to_owned);
        let start = |client: Client| {
            let options = WorkflowStartUpdateOptions::builder()
                .update_id(update_id.clone())
                .build();
            let body = Message::Valid(body.clone());
            async move {
                order_handle(&client, order_id)
                    .start_update(update(), body, options)
                    .await
            }
        };
        let until = Instant::now() + BUSY_LIMIT;
        let Some(_in_flight) = self.in_flight.enter(order_id, until).await else {
            return Err(Error::NoWorker);
        };
        let mut pauses = Pauses::until(until);
        loop {
            let accepted = self.connection.call_until(ACCEPTANCE_TIMEOUT, until, start);
            let result = match accepted.await {
                Ok(accepted) => {
                    self.read_result(order_id, update, &accepted, request.as_deref())
                        .await?
                }
                Err(failure) => self.explain_failure(order_id, failure).await?,
            };
            match result {
                Some(result) => return Ok(result),
                None if pauses.pause().await => {}
                None => return Err(Error::NoWorker),
            }
        }
    }

    /// Returns the result of an earlier update with this id, if any.
    async fn read_earlier_result<U>(
        &self,
        order_id: &OrderId,
        update: fn() -> U,
        update_id: &str,
        request: Option<&str>,
    ) -> Result<Option<UpdateResult>, Error>
    where
        U: UpdateDefinition<
                Workflow = <OrderWorkflow as HasWorkflowDefinition>::Run,
                Output = RecordedOutcome,
            >,
    {
        let poll = |client: Client| async move {
            let known = order_handle(&client, order_id).get_update_handle(update(), update_id);
            known.get_result(RpcOptions::default()).await
        };
        match self.connection.call(OUTCOME_TIMEOUT, poll).await {
            Ok(recorded) => Ok(Some(UpdateResult::from_recorded(request, recorded, true))),
            Err(CallError::TimedOut) => Ok(Some(UpdateResult::Undecided)),
            Err(failure @ (CallError::Unreachable(_) | CallError::Sdk(_))) => {
                match failure.into_error() {
                    Error::NotFound => Ok(None),
                    error @ (Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_)) => {
                        Err(error)
                    }
                }
            }
        }
    }

    /// Returns the result of a sent update, or `None` if Temporal has lost it.
    async fn read_result<U>(
        &self,
        order_id: &OrderId,
        update: fn() -> U,
        accepted: &WorkflowUpdateHandle<Client, U::Output>,
        request: Option<&str>,
    ) -> Result<Option<UpdateResult>, Error>
    where
        U: UpdateDefinition<
                Workflow = <OrderWorkflow as HasWorkflowDefinition>::Run,
                Output = RecordedOutcome,
            >,
    {
        // The handle may already contain the outcome. On another connection the update is found by
        // its id.
        let first =
            tokio::time::timeout(OUTCOME_TIMEOUT, accepted.get_result(RpcOptions::default())).await;
        match first {
            Ok(Ok(recorded)) => {
                return Ok(Some(UpdateResult::from_recorded(request, recorded, false)));
            }
            Err(_) => return Ok(Some(UpdateResult::Undecided)),
            Ok(Err(WorkflowUpdateError::Failed(failure))) => {
                if let Some(refusal) = QuotaExceeded::parse(&failure.message) {
                    return Ok(Some(UpdateResult::TooManyRequests(refusal)));
                }
                if let Some(changed) = OrderChanged::parse(&failure.message) {
                    return Ok(Some(UpdateResult::OrderChanged(changed)));
                }
            }
            Ok(Err(_)) => {}
        }
        let poll = |client: Client| async move {
            // The order may have continued as new since.
            let run_id = accepted.workflow_run_id();
            let known =
                run_handle(&client, order_id, run_id).get_update_handle(update(), accepted.id());
            known.get_result(RpcOptions::default()).await
        };
        match self.connection.call(SERVER_TIMEOUT, poll).await {
            Ok(recorded) => Ok(Some(UpdateResult::from_recorded(request, recorded, false))),
            // The update was accepted, and then the connection was lost.
            Err(CallError::TimedOut | CallError::Unreachable(_)) => {
                Ok(Some(UpdateResult::Undecided))
            }
            Err(failure @ CallError::Sdk(_)) => self.explain_failure(order_id, failure).await,
        }
    }

    /// Distinguishes closed orders from unknown ones and from lost updates (`None`), for which Temporal
    /// returns the same error.
    async fn explain_failure(
        &self,
        order_id: &OrderId,
        failure: CallError<WorkflowUpdateError>,
    ) -> Result<Option<UpdateResult>, Error> {
        match failure.into_error() {
            Error::NotFound => {
                let described = self.describe_order(order_id).await?;
                // The order is open: its worker has lost the task that had the update, as in a burst of
                // updates. The update has an id, so it can be sent again.
                Ok((!described.is_open).then_some(UpdateResult::OrderClosed))
            }
            error @ (Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_)) => Err(error),
        }
    }
}
