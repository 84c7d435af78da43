//! Asking something of an order, and learning what truly happened.

use std::time::Duration;

use temporalio_client::{
    Client, RpcOptions, WorkflowStartUpdateOptions, WorkflowUpdateHandle,
    errors::WorkflowUpdateError,
};
use temporalio_common::{HasWorkflowDefinition, UpdateDefinition};

use crate::{
    Command, Error, Orders,
    failure::Failure,
    orders::{SERVER, handle},
};
use contract::{Answer, Answered, fingerprint};
use domain::OrderId;
use workflows::{Decode, Message, OrderWorkflow};

/// A worker takes a request within this time, or there is none.
const ACCEPTANCE: Duration = Duration::from_secs(5);

/// The order itself decides within 15 s; two for the way.
const RESULT: Duration = Duration::from_secs(17);

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The order's own answer. `repeated`: it was given to this update id before.
    Answered { answer: Answer, repeated: bool },
    /// A worker took it and has not said how it went; the order's state will tell.
    Undecided,
    /// The order is closed; nothing was asked of it.
    Closed,
    /// Under this update id something else was asked before.
    Reused,
}

impl Reply {
    /// The answer, if it is one to `request`.
    fn to(request: Option<&str>, answered: Answered, repeated: bool) -> Self {
        match (request, answered.request) {
            (Some(ours), Some(asked)) if ours != asked => Self::Reused,
            _ => Self::Answered {
                answer: answered.answer,
                repeated,
            },
        }
    }
}

impl Orders {
    /// Asks `command` of the order. With an `update_id` a repeat gets the first answer again, also
    /// after the order closed; without one each call is a request of its own.
    #[tracing::instrument(name = "temporal.update", skip_all)]
    pub async fn ask(
        &self,
        order_id: &OrderId,
        command: Command,
        update_id: Option<&str>,
    ) -> Result<Reply, Error> {
        match command {
            Command::Approve(body) => {
                self.update(order_id, || OrderWorkflow::approve_order, body, update_id)
                    .await
            }
            Command::Reject(body) => {
                self.update(order_id, || OrderWorkflow::reject_order, body, update_id)
                    .await
            }
            Command::Cancel(body) => {
                self.update(order_id, || OrderWorkflow::cancel_order, body, update_id)
                    .await
            }
            Command::UpdateAddress(body) => {
                self.update(order_id, || OrderWorkflow::update_address, body, update_id)
                    .await
            }
            Command::CancelPayment(body) => {
                self.update(order_id, || OrderWorkflow::cancel_payment, body, update_id)
                    .await
            }
            Command::ConfirmPayment(body) => {
                self.update(order_id, || OrderWorkflow::confirm_payment, body, update_id)
                    .await
            }
            Command::ConfirmDelivery(body) => {
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
    ) -> Result<Reply, Error>
    where
        U: UpdateDefinition<
                Workflow = <OrderWorkflow as HasWorkflowDefinition>::Run,
                Input = Message<T>,
                Output = Answered,
            >,
        T: Decode + Clone + Send + Sync,
    {
        let mut update_id = update_id;
        let request = fingerprint(&body);
        if let Some(known) = update_id
            && let Some(reply) = self
                .earlier(order_id, update, known, request.as_deref())
                .await?
        {
            match reply {
                // Not decided then; by now it may be. The order itself knows a request that it has seen.
                Reply::Answered {
                    answer: Answer::Undecided { .. },
                    ..
                } => update_id = None,
                Reply::Answered { .. } | Reply::Undecided | Reply::Closed | Reply::Reused => {
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
                handle(&client, order_id)
                    .start_update(update(), body, options)
                    .await
            }
        };
        match self.link.call(ACCEPTANCE, start).await {
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
    ) -> Result<Option<Reply>, Error>
    where
        U: UpdateDefinition<
                Workflow = <OrderWorkflow as HasWorkflowDefinition>::Run,
                Output = Answered,
            >,
    {
        let poll = |client: Client| async move {
            let known = handle(&client, order_id).get_update_handle(update(), update_id);
            known.get_result(RpcOptions::default()).await
        };
        match self.link.call(RESULT, poll).await {
            Ok(answered) => Ok(Some(Reply::to(request, answered, true))),
            Err(Failure::Silent) => Ok(Some(Reply::Undecided)),
            Err(failure @ (Failure::Unreachable(_) | Failure::Said(_))) => {
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
    ) -> Result<Reply, Error>
    where
        U: UpdateDefinition<
                Workflow = <OrderWorkflow as HasWorkflowDefinition>::Run,
                Output = Answered,
            >,
    {
        // The handle may hold the outcome; asked on another connection, it is found by its id.
        let first = tokio::time::timeout(RESULT, accepted.get_result(RpcOptions::default())).await;
        match first {
            Ok(Ok(answered)) => return Ok(Reply::to(request, answered, false)),
            Err(_) => return Ok(Reply::Undecided),
            Ok(Err(_)) => {}
        }
        let poll = |client: Client| async move {
            let known = handle(&client, order_id).get_update_handle(update(), accepted.id());
            known.get_result(RpcOptions::default()).await
        };
        match self.link.call(SERVER, poll).await {
            Ok(answered) => Ok(Reply::to(request, answered, false)),
            // Accepted, and then the way to the answer was lost.
            Err(Failure::Silent | Failure::Unreachable(_)) => Ok(Reply::Undecided),
            Err(failure @ Failure::Said(_)) => self.without_answer(order_id, failure).await,
        }
    }

    /// Closed and unknown orders give one and the same error: what Temporal knows tells them apart.
    async fn without_answer(
        &self,
        order_id: &OrderId,
        failure: Failure<WorkflowUpdateError>,
    ) -> Result<Reply, Error> {
        match failure.into_error() {
            Error::NotFound => {
                let described = self.describe(order_id).await?;
                // Open after all: it closed and was not, which is a worker that must try again.
                if described.is_open {
                    Err(Error::NoWorker)
                } else {
                    Ok(Reply::Closed)
                }
            }
            error @ (Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_)) => Err(error),
        }
    }
}
