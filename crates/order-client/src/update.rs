//! Asking something of an order, and learning what truly happened.

use std::time::Duration;

use temporalio_client::{
    Client, RpcOptions, WorkflowStartUpdateOptions, WorkflowUpdateHandle,
    errors::WorkflowUpdateError,
};
use temporalio_common::{HasWorkflowDefinition, UpdateDefinition};

use crate::{
    Error, OrderClient, OrderCommand,
    client::{SERVER_TIMEOUT, order_handle},
    grpc_error::CallError,
};
use contract::{RecordedOutcome, UpdateOutcome, request_fingerprint};
use domain::OrderId;
use workflows::{Decode, Message, OrderWorkflow};

/// A worker takes a request within this time, or there is none.
const ACCEPTANCE: Duration = Duration::from_secs(5);

/// The order itself decides within 15 s; two for the way.
const RESULT: Duration = Duration::from_secs(17);

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateResult {
    /// The order's own answer. `repeated`: it was given to this update id before.
    Completed {
        answer: UpdateOutcome,
        repeated: bool,
    },
    /// A worker took it and has not said how it went; the order's state will tell.
    Undecided,
    /// The order is closed; nothing was asked of it.
    OrderClosed,
    /// Under this update id something else was asked before.
    UpdateIdReused,
}

impl UpdateResult {
    /// The answer, if it is one to `request`.
    fn to(request: Option<&str>, answered: RecordedOutcome, repeated: bool) -> Self {
        match (request, answered.request) {
            (Some(ours), Some(asked)) if ours != asked => Self::UpdateIdReused,
            _ => Self::Completed {
                answer: answered.outcome,
                repeated,
            },
        }
    }
}

impl OrderClient {
    /// Asks `command` of the order. With an `update_id` a repeat gets the first answer again, also
    /// after the order closed; without one each call is a request of its own.
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
            && let Some(reply) = self
                .earlier(order_id, update, known, request.as_deref())
                .await?
        {
            match reply {
                // Not decided then; by now it may be. The order itself knows a request that it has seen.
                UpdateResult::Completed {
                    answer: UpdateOutcome::Undecided { .. },
                    ..
                } => update_id = None,
                UpdateResult::Completed { .. }
                | UpdateResult::Undecided
                | UpdateResult::OrderClosed
                | UpdateResult::UpdateIdReused => {
                    return Ok(reply);
                }
            }
        }
        // An id in any case: the second try on a new connection must be known as the same request.
        let update_id =
            update_id.map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned);
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
        match self.connection.call(ACCEPTANCE, start).await {
            Ok(accepted) => {
                self.result(order_id, update, &accepted, request.as_deref())
                    .await
            }
            Err(failure) => self.without_answer(order_id, failure).await,
        }
    }

    /// What an update of this id was answered, if there was one.
    async fn earlier<U>(
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
        match self.connection.call(RESULT, poll).await {
            Ok(answered) => Ok(Some(UpdateResult::to(request, answered, true))),
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

    async fn result<U>(
        &self,
        order_id: &OrderId,
        update: fn() -> U,
        accepted: &WorkflowUpdateHandle<Client, U::Output>,
        request: Option<&str>,
    ) -> Result<UpdateResult, Error>
    where
        U: UpdateDefinition<
                Workflow = <OrderWorkflow as HasWorkflowDefinition>::Run,
                Output = RecordedOutcome,
            >,
    {
        // The handle may hold the outcome; asked on another connection, it is found by its id.
        let first = tokio::time::timeout(RESULT, accepted.get_result(RpcOptions::default())).await;
        match first {
            Ok(Ok(answered)) => return Ok(UpdateResult::to(request, answered, false)),
            Err(_) => return Ok(UpdateResult::Undecided),
            Ok(Err(_)) => {}
        }
        let poll = |client: Client| async move {
            let known = order_handle(&client, order_id).get_update_handle(update(), accepted.id());
            known.get_result(RpcOptions::default()).await
        };
        match self.connection.call(SERVER_TIMEOUT, poll).await {
            Ok(answered) => Ok(UpdateResult::to(request, answered, false)),
            // Accepted, and then the way to the answer was lost.
            Err(CallError::TimedOut | CallError::Unreachable(_)) => Ok(UpdateResult::Undecided),
            Err(failure @ CallError::Sdk(_)) => self.without_answer(order_id, failure).await,
        }
    }

    /// Closed and unknown orders give one and the same error: what Temporal knows tells them apart.
    async fn without_answer(
        &self,
        order_id: &OrderId,
        failure: CallError<WorkflowUpdateError>,
    ) -> Result<UpdateResult, Error> {
        match failure.into_error() {
            Error::NotFound => {
                let described = self.describe_order(order_id).await?;
                // Open after all: it closed and was not, which is a worker that must try again.
                if described.is_open {
                    Err(Error::NoWorker)
                } else {
                    Ok(UpdateResult::OrderClosed)
                }
            }
            error @ (Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_)) => Err(error),
        }
    }
}
