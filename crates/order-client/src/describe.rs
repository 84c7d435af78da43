//! The description of an order by Temporal, which needs no worker.

use chrono::{DateTime, SubsecRound, Utc};
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowExecutionStatus};

use crate::{
    Error, OrderClient,
    client::{SERVER_TIMEOUT, order_handle},
    grpc_error::CallError,
    start::{FINGERPRINT_MEMO, REQUEST_ID_MEMO},
};
use domain::{CustomerId, OrderId, OrderStatus, Step};
use workflows::{CUSTOMER_ID, ORDER_STATUS, ORDER_STEP};

/// Temporal's description of an order. Its search attributes may be older than the workflow's
/// state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderDescription {
    pub run_id: String,
    pub is_open: bool,
    pub status: Option<OrderStatus>,
    pub step: Option<Step>,
    pub customer_id: Option<CustomerId>,
    pub started_at: DateTime<Utc>,
    pub fingerprint: Option<String>,
    pub request_id: Option<String>,
}

impl OrderClient {
    #[tracing::instrument(name = "temporal.describe", skip_all)]
    pub async fn describe_order(&self, order_id: &OrderId) -> Result<OrderDescription, Error> {
        let call = |client: Client| async move {
            order_handle(&client, order_id)
                .describe(WorkflowDescribeOptions::default())
                .await
        };
        let description = self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(|failure| match failure {
                CallError::TimedOut => Error::Unavailable("no response to a describe".to_owned()),
                CallError::Unreachable(_) | CallError::Sdk(_) => failure.into_error(),
            })?;
        let attributes = description.search_attributes();
        let memo = description.memo();
        let text = |key: &str| memo.get::<String>(key).ok().flatten();
        Ok(OrderDescription {
            run_id: description.run_id().to_owned(),
            is_open: is_open(description.status()),
            status: attributes
                .get(&ORDER_STATUS)
                .and_then(|status| OrderStatus::parse(&status)),
            step: attributes
                .get(&ORDER_STEP)
                .and_then(|step| Step::parse(&step)),
            customer_id: attributes
                .get(&CUSTOMER_ID)
                .and_then(|id| CustomerId::parse(&id).ok()),
            // The database stores microseconds. Truncated, the time is equal in all sources.
            started_at: description
                .start_time()
                .map_or(DateTime::UNIX_EPOCH, DateTime::from)
                .trunc_subsecs(6),
            fingerprint: text(FINGERPRINT_MEMO),
            request_id: text(REQUEST_ID_MEMO),
        })
    }
}

pub(crate) fn is_open(status: WorkflowExecutionStatus) -> bool {
    matches!(
        status,
        WorkflowExecutionStatus::Running | WorkflowExecutionStatus::Paused
    )
}
