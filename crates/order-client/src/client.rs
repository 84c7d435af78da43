//! [`OrderClient`], the entry point of this crate.

use std::{sync::Arc, time::Duration};

use temporalio_client::{Client, WorkflowHandle, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;

use crate::{Error, TemporalSettings, connection::SharedConnection, in_flight::InFlight};
use contract::order_workflow_id;
use domain::OrderId;
use workflows::OrderWorkflow;

/// The time limit of a call that needs the Temporal server only. A call normally takes
/// milliseconds. In a burst of hundreds of starts it waits for seconds, and a late response is
/// better than a refusal. Two such calls fit in API Gateway's limit of 29 s.
pub(crate) const SERVER_TIMEOUT: Duration = Duration::from_secs(8);

/// A client for orders in Temporal. Clones are cheap and share one connection.
#[derive(Debug, Clone)]
pub struct OrderClient {
    pub(crate) connection: Arc<SharedConnection>,
    pub(crate) in_flight: Arc<InFlight>,
}

impl OrderClient {
    /// Returns a client without connecting. The first call connects; later calls reconnect if
    /// necessary.
    pub fn new(settings: TemporalSettings) -> Self {
        Self {
            connection: Arc::new(SharedConnection::new(settings)),
            in_flight: Arc::default(),
        }
    }

    /// Checks that Temporal is reachable. A function also calls this method during its
    /// initialisation, so that its first caller does not wait for the connection.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Unavailable`] when Temporal does not respond within one second.
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
                // This call needs no worker, so a time-out means that the server is unavailable.
                Error::NoWorker => Error::Unavailable("no response within 1 s".to_owned()),
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

/// Returns one run of an order; the newest one without an id.
pub(crate) fn run_handle(
    client: &Client,
    order_id: &OrderId,
    run_id: Option<&str>,
) -> WorkflowHandle<Client, OrderWorkflow> {
    let mut info = order_handle(client, order_id).info().clone();
    info.run_id = run_id.map(str::to_owned);
    WorkflowHandle::new(client.clone(), info)
}
