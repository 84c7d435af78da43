//! The list of orders in Temporal, for the command line.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use temporalio_client::{Client, WorkflowExecution, WorkflowListOptions};

use crate::{Error, OrderClient, client::SERVER_TIMEOUT, describe::is_open, grpc_error::CallError};
use contract::parse_order_workflow_id;
use domain::{CustomerId, OrderStatus, Step};
use workflows::{CUSTOMER_ID, ORDER_STATUS, ORDER_STEP};

/// An order in Temporal's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSummary {
    pub order_id: domain::OrderId,
    pub workflow_id: String,
    pub run_id: String,
    pub status: Option<OrderStatus>,
    pub step: Option<Step>,
    pub is_running: bool,
    pub started_at: DateTime<Utc>,
}

/// The filter of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    pub status: Option<OrderStatus>,
    pub customer_id: Option<CustomerId>,
    pub limit: usize,
}

impl ListFilter {
    fn query(&self) -> String {
        let status = self
            .status
            .map(|status| format!("{} = '{status}'", ORDER_STATUS.name()));
        let customer = self
            .customer_id
            .as_ref()
            .map(|id| format!("{} = {}", CUSTOMER_ID.name(), quote(id.as_str())));
        // A run that continued as new is not the newest one of its order.
        let runs = "WorkflowType = 'OrderWorkflow' AND ExecutionStatus != 'ContinuedAsNew'";
        [runs.to_owned()]
            .into_iter()
            .chain(status)
            .chain(customer)
            .collect::<Vec<_>>()
            .join(" AND ")
    }
}

/// Quotes and escapes a text, because a customer id may contain any visible character.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl OrderClient {
    /// Returns orders, newest first.
    ///
    /// Temporal selects them: running orders first, then the most recently closed ones. With its
    /// SQL databases Temporal supports no other order. Its list lags behind the workflows by up to
    /// one second.
    #[tracing::instrument(name = "temporal.list", skip_all)]
    pub async fn list_orders(&self, filter: &ListFilter) -> Result<Vec<OrderSummary>, Error> {
        let query = filter.query();
        let call = |client: Client| {
            let options = WorkflowListOptions::builder().limit(filter.limit).build();
            let found = client.list_workflows(query.clone(), options);
            async move { found.try_collect::<Vec<WorkflowExecution>>().await }
        };
        let found = self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error)?;
        let mut found: Vec<_> = found.iter().filter_map(summary_from_execution).collect();
        found.sort_by_key(|order| Reverse(order.started_at));
        Ok(found)
    }
}

/// Returns `None` for a workflow whose id is not an order's.
fn summary_from_execution(found: &WorkflowExecution) -> Option<OrderSummary> {
    let attributes = found.search_attributes();
    Some(OrderSummary {
        order_id: parse_order_workflow_id(found.id())?,
        workflow_id: found.id().to_owned(),
        run_id: found.run_id().to_owned(),
        status: attributes
            .get(&ORDER_STATUS)
            .and_then(|status| OrderStatus::parse(&status)),
        step: attributes
            .get(&ORDER_STEP)
            .and_then(|step| Step::parse(&step)),
        is_running: is_open(found.status()),
        started_at: found
            .start_time()
            .map_or(DateTime::UNIX_EPOCH, DateTime::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customer_id_cannot_end_its_quotes() {
        let id = CustomerId::parse(r"O'Neil\").ok();
        let query = ListFilter {
            customer_id: id,
            ..ListFilter::default()
        }
        .query();
        assert_eq!(
            query,
            r"WorkflowType = 'OrderWorkflow' AND ExecutionStatus != 'ContinuedAsNew' AND CustomerId = 'O\'Neil\\'"
        );
    }
}
