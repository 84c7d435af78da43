//! Queries to an order's workflow. They also work on closed orders, but need a running worker.

use std::time::Duration;

use temporalio_client::{
    Client, QueryRejectCondition, WorkflowQueryOptions, errors::WorkflowQueryError,
};

use crate::{Error, OrderClient, client::order_handle, grpc_error::CallError};
use contract::OrderView;
use domain::{OrderId, Transaction};
use workflows::OrderWorkflow;

/// The time limit of a query, which needs a worker. Afterwards the reader uses the row in the
/// database.
const WORKER_TIMEOUT: Duration = Duration::from_secs(2);

impl OrderClient {
    /// Returns the state of an open or closed order from its workflow.
    #[tracing::instrument(name = "temporal.query", skip_all)]
    pub async fn query_order(&self, order_id: &OrderId) -> Result<OrderView, Error> {
        self.query(order_id, QueryRejectCondition::None)
            .await
            .map_err(CallError::into_error)
    }

    /// Returns the state of an open order from its workflow. Returns `None` for a closed order,
    /// without a call to a worker.
    #[tracing::instrument(name = "temporal.query", skip_all)]
    pub async fn query_open_order(&self, order_id: &OrderId) -> Result<Option<OrderView>, Error> {
        match self.query(order_id, QueryRejectCondition::NotOpen).await {
            Ok(view) => Ok(Some(view)),
            Err(CallError::Sdk(WorkflowQueryError::Rejected { .. })) => Ok(None),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Returns the transactions of an open or closed order from its workflow. A worker of an earlier
    /// release returns none.
    #[tracing::instrument(name = "temporal.query_payments", skip_all)]
    pub async fn query_payments(&self, order_id: &OrderId) -> Result<Vec<Transaction>, Error> {
        let call = |client: Client| async move {
            order_handle(&client, order_id)
                .query(
                    OrderWorkflow::get_payments,
                    (),
                    WorkflowQueryOptions::default(),
                )
                .await
        };
        match self.connection.call(WORKER_TIMEOUT, call).await {
            Ok(transactions) => Ok(transactions),
            Err(failure) => match failure.into_error() {
                Error::Unexpected(_) => Ok(Vec::new()),
                error @ (Error::NotFound | Error::Unavailable(_) | Error::NoWorker) => Err(error),
            },
        }
    }

    async fn query(
        &self,
        order_id: &OrderId,
        reject: QueryRejectCondition,
    ) -> Result<OrderView, CallError<WorkflowQueryError>> {
        let call = |client: Client| async move {
            let options = WorkflowQueryOptions::builder()
                .reject_condition(reject)
                .build();
            order_handle(&client, order_id)
                .query(OrderWorkflow::get_full_state, (), options)
                .await
        };
        self.connection.call(WORKER_TIMEOUT, call).await
    }
}
