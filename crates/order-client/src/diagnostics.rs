//! Checks of Temporal's setup, for `orderflow check`.

use std::time::Duration;

use temporalio_client::{Client, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::{
    enums::v1::{IndexedValueType, TaskQueueType},
    operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        CountWorkflowExecutionsRequest, DescribeNamespaceRequest, DescribeTaskQueueRequest,
        DescribeTaskQueueResponse,
    },
};
use tokio::time::{Instant, sleep};

use crate::{Error, OrderClient, client::SERVER_TIMEOUT, grpc_error::CallError};
use domain::{SEARCH_ATTRIBUTES, SearchAttributeType};

/// The pause between two queries for new search attributes.
const ATTRIBUTE_INTERVAL: Duration = Duration::from_millis(500);

/// The workers and the backlog of one task queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    pub workflow_pollers: usize,
    pub activity_pollers: usize,
    /// The approximate number of waiting tasks of both types. `None` when Temporal does not report
    /// it.
    pub backlog: Option<i64>,
}

impl OrderClient {
    /// Returns whether the namespace of the orders exists.
    pub async fn has_namespace(&self) -> Result<bool, Error> {
        let call = |client: Client| {
            let namespace = self.connection.settings().namespace().to_owned();
            let request = DescribeNamespaceRequest {
                namespace,
                ..DescribeNamespaceRequest::default()
            };
            async move {
                client
                    .connection()
                    .workflow_service()
                    .describe_namespace(request.into_request())
                    .await
            }
        };
        match self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error)
        {
            Ok(_) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the names of the search attributes that orders need and the namespace lacks.
    pub async fn read_missing_search_attributes(&self) -> Result<Vec<&'static str>, Error> {
        let call = |client: Client| {
            let namespace = self.connection.settings().namespace().to_owned();
            async move {
                let mut service = client.connection().operator_service();
                service
                    .list_search_attributes(
                        ListSearchAttributesRequest { namespace }.into_request(),
                    )
                    .await
            }
        };
        let registered = self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error)?
            .into_inner()
            .custom_attributes;
        Ok(SEARCH_ATTRIBUTES
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !registered.contains_key(*name))
            .collect())
    }

    /// Registers the missing search attributes and returns their names.
    pub async fn register_search_attributes(&self) -> Result<Vec<&'static str>, Error> {
        let missing = self.read_missing_search_attributes().await?;
        if missing.is_empty() {
            return Ok(missing);
        }
        let search_attributes = SEARCH_ATTRIBUTES
            .into_iter()
            .filter(|(name, _)| missing.contains(name))
            .map(|(name, kind)| (name.to_owned(), indexed_value_type(kind).into()))
            .collect();
        let request = AddSearchAttributesRequest {
            search_attributes,
            namespace: self.connection.settings().namespace().to_owned(),
        };
        let call = |client: Client| {
            let request = request.clone();
            async move {
                client
                    .connection()
                    .operator_service()
                    .add_search_attributes(request.into_request())
                    .await
            }
        };
        match self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error)
        {
            Ok(_) => Ok(missing),
            // Another program may have registered them concurrently.
            Err(error) if !self.read_missing_search_attributes().await?.is_empty() => Err(error),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Waits until the server accepts a query for the search attributes. A server uses new ones up to
    /// a minute after their registration, and refuses to start an order before.
    ///
    /// # Errors
    ///
    /// Returns the server's last error after `limit`.
    pub async fn wait_for_search_attributes(&self, limit: Duration) -> Result<(), Error> {
        let query = SEARCH_ATTRIBUTES
            .map(|(name, kind)| match kind {
                SearchAttributeType::Keyword => format!("{name} = 'none'"),
                SearchAttributeType::Int => format!("{name} = 0"),
            })
            .join(" and ");
        let request = CountWorkflowExecutionsRequest {
            namespace: self.connection.settings().namespace().to_owned(),
            query,
        };
        let call = |client: Client| {
            let request = request.clone();
            async move {
                client
                    .connection()
                    .workflow_service()
                    .count_workflow_executions(request.into_request())
                    .await
            }
        };
        let end = Instant::now() + limit;
        loop {
            match self.connection.call(SERVER_TIMEOUT, call).await {
                Ok(_) => return Ok(()),
                Err(failure) if Instant::now() + ATTRIBUTE_INTERVAL > end => {
                    return Err(failure.into_error());
                }
                Err(_) => sleep(ATTRIBUTE_INTERVAL).await,
            }
        }
    }

    /// Returns the state of the task queues of orders and of shipping.
    pub async fn read_task_queues(&self) -> Result<[(String, QueueState); 2], Error> {
        let settings = self.connection.settings();
        let (orders, shipping) = (
            settings.orders_task_queue.clone(),
            settings.shipping_task_queue.clone(),
        );
        let states = [
            self.queue_state(&orders).await?,
            self.queue_state(&shipping).await?,
        ];
        Ok([(orders, states[0]), (shipping, states[1])])
    }

    async fn queue_state(&self, queue: &str) -> Result<QueueState, Error> {
        let workflows = self.describe_queue(queue, TaskQueueType::Workflow).await?;
        let activities = self.describe_queue(queue, TaskQueueType::Activity).await?;
        let waiting = [&workflows, &activities].map(|described| described.stats.as_ref());
        Ok(QueueState {
            workflow_pollers: workflows.pollers.len(),
            activity_pollers: activities.pollers.len(),
            backlog: waiting
                .into_iter()
                .map(|stats| Some(stats?.approximate_backlog_count))
                .sum(),
        })
    }

    async fn describe_queue(
        &self,
        queue: &str,
        kind: TaskQueueType,
    ) -> Result<DescribeTaskQueueResponse, Error> {
        let call = |client: Client| {
            let request = DescribeTaskQueueRequest {
                namespace: self.connection.settings().namespace().to_owned(),
                task_queue: Some(TaskQueue {
                    name: queue.to_owned(),
                    ..TaskQueue::default()
                }),
                task_queue_type: kind.into(),
                report_stats: true,
                ..DescribeTaskQueueRequest::default()
            };
            async move {
                client
                    .connection()
                    .workflow_service()
                    .describe_task_queue(request.into_request())
                    .await
            }
        };
        Ok(self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error)?
            .into_inner())
    }
}

fn indexed_value_type(kind: SearchAttributeType) -> IndexedValueType {
    match kind {
        SearchAttributeType::Keyword => IndexedValueType::Keyword,
        SearchAttributeType::Int => IndexedValueType::Int,
    }
}
