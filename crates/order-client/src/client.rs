//! The orders in Temporal, as callers see them.

use std::{sync::Arc, time::Duration};

use temporalio_client::{Client, WorkflowHandle};
use temporalio_common::protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;
use tonic::IntoRequest;

use crate::{Error, TemporalSettings, connection::SharedConnection};
use contract::order_workflow_id;
use domain::OrderId;
use workflows::OrderWorkflow;

/// Calls that wait for nobody but Temporal itself. Milliseconds as a rule; a burst of hundreds of starts
/// queues for seconds, and is better served late than refused. Twice this still fits API Gateway's 29 s.
pub(crate) const SERVER_TIMEOUT: Duration = Duration::from_secs(8);

/// The door. Cheap to clone; all clones share one connection.
#[derive(Debug, Clone)]
pub struct OrderClient {
    pub(crate) connection: Arc<SharedConnection>,
}

impl OrderClient {
    /// Never fails and does not wait: the first call connects, and each later one reconnects if it must.
    pub fn new(settings: TemporalSettings) -> Self {
        Self {
            connection: Arc::new(SharedConnection::new(settings)),
        }
    }

    /// Whether Temporal can be reached. Also what a function does while it initialises, so that its
    /// first caller need not wait for the connection.
    #[tracing::instrument(name = "temporal.health", skip_all)]
    pub async fn check_health(&self) -> Result<(), Error> {
        let call = |client: Client| async move {
            let mut service = client.connection().workflow_service();
            service
                .get_system_info(GetSystemInfoRequest::default().into_request())
                .await
        };
        self.connection
            .call(Duration::from_secs(1), call)
            .await
            .map(drop)
            .map_err(|failure| match failure.into_error() {
                // No worker is asked here: a silent server is one that cannot be reached.
                Error::NoWorker => Error::Unavailable("no answer within 1s".to_owned()),
                error @ (Error::Unavailable(_) | Error::NotFound | Error::Unexpected(_)) => error,
            })
    }
}

pub(crate) fn order_handle(
    client: &Client,
    order_id: &OrderId,
) -> WorkflowHandle<Client, OrderWorkflow> {
    client.get_workflow_handle::<OrderWorkflow>(order_workflow_id(order_id))
}
