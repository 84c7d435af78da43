//! Checks of Temporal's setup, for `orderflow check`.

use temporalio_client::{Client, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::{
    enums::v1::TaskQueueType,
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        DescribeNamespaceRequest, DescribeTaskQueueRequest, DescribeTaskQueueResponse,
    },
};

use crate::{
    Error, OrderClient,
    client::SERVER_TIMEOUT,
    grpc_error::{CallError, is_unknown_namespace},
};

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
        match self.connection.call(SERVER_TIMEOUT, call).await {
            Ok(_) => Ok(true),
            Err(CallError::Sdk(error)) if is_unknown_namespace(&error) => Ok(false),
            Err(failure) => Err(failure.into_error()),
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
