//! Starting an order, with one run however often the start is repeated.

use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    WorkflowStartOptions, errors::WorkflowStartError,
};
use temporalio_common::{MemoValues, search_attributes::SearchAttributes};

use crate::{
    Error, OrderClient,
    client::{SERVER_TIMEOUT, order_handle},
    grpc_error::CallError,
};
use contract::{RequestOrigin, order_workflow_id};
use domain::{Order, OrderId, OrderPolicy, OrderStatus, Step};
use workflows::{Message, ORDER_STATUS, OrderInput, OrderWorkflow, search_attribute_updates};

pub(crate) const FINGERPRINT_MEMO: &str = "fingerprint";
pub(crate) const REQUEST_ID_MEMO: &str = "request_id";
/// The memo that distinguishes our own first call, whose response was lost, from another start of
/// the same order.
const START_ID_MEMO: &str = "start_id";

/// The version of the rules of new orders ([`OrderInput::receipt`]).
pub const CURRENT_RULES: u32 = 7;

/// An order to start.
#[derive(Debug)]
pub struct NewOrder<'a> {
    pub order_id: &'a OrderId,
    pub order: &'a Order,
    pub policy: &'a OrderPolicy,
    /// A hash that is equal for two requests with the same content.
    pub fingerprint: &'a str,
    pub request_id: &'a str,
    /// The origin of the start, for the audit log.
    pub origin: RequestOrigin,
    /// Whether the call starts nothing, and only finds the order that the same request has started.
    pub must_exist: bool,
}

/// A started order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedOrder {
    /// The first run of the order. A later run of the same order has another id.
    pub run_id: String,
    /// The present status of the order.
    pub status: OrderStatus,
    /// Whether an earlier call with the same request started the order.
    pub already_started: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Another request started an order with this id.
    #[error("the order id is already used by another order")]
    Conflict,
    /// The order must exist, and the same request has not started it.
    #[error("the request has not started an order")]
    Missing,
    #[error(transparent)]
    Failed(#[from] Error),
}

impl OrderClient {
    /// Starts the order, or detects that the same request started it before.
    ///
    /// # Errors
    ///
    /// Returns [`StartError::Conflict`] when another request started an order with this id, and
    /// [`StartError::Missing`] when the order must exist and this request has not started it.
    #[tracing::instrument(name = "temporal.start", skip_all)]
    pub async fn start_order(&self, new: &NewOrder<'_>) -> Result<StartedOrder, StartError> {
        if new.must_exist {
            return self.find_started(new).await;
        }
        let start_id = format!("{:016x}", rand::random::<u64>());
        let options = self.start_options(new, &start_id);
        let input = OrderInput {
            order: contract::order_document(new.order),
            policy: Some(new.policy.clone()),
            profile: None,
            shipping_task_queue: Some(self.connection.settings().shipping_task_queue.clone()),
            receipt: CURRENT_RULES,
            origin: Some(new.origin.clone()),
            recovery: None,
            continued: None,
        };
        let call = |client: Client| {
            let (input, options) = (Message::Valid(input.clone()), options.clone());
            async move {
                client
                    .start_workflow(OrderWorkflow::run, input, options)
                    .await
            }
        };
        match self.connection.call(SERVER_TIMEOUT, call).await {
            Ok(handle) => Ok(StartedOrder {
                run_id: handle.run_id().unwrap_or_default().to_owned(),
                status: OrderStatus::Pending,
                already_started: false,
            }),
            Err(CallError::Sdk(WorkflowStartError::AlreadyStarted { .. })) => {
                self.read_existing_start(new, Some(&start_id)).await
            }
            Err(CallError::TimedOut) => {
                Err(Error::Unavailable("no response to a start".to_owned()).into())
            }
            Err(failure @ (CallError::Unreachable(_) | CallError::Sdk(_))) => {
                Err(failure.into_error().into())
            }
        }
    }

    fn start_options(&self, new: &NewOrder<'_>, start_id: &str) -> WorkflowStartOptions {
        let mut memo = MemoValues::new();
        memo.insert(FINGERPRINT_MEMO, new.fingerprint.to_owned());
        memo.insert(REQUEST_ID_MEMO, new.request_id.to_owned());
        memo.insert(START_ID_MEMO, start_id.to_owned());
        let attributes =
            search_attribute_updates(OrderStatus::Pending, Step::Receive, Some(new.order));
        let queue = self.connection.settings().orders_task_queue.clone();
        WorkflowStartOptions::new(queue, order_workflow_id(new.order_id))
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .search_attributes(SearchAttributes::new(attributes))
            .memo(memo)
            .build()
    }

    /// Finds the order that an earlier call with the same request started.
    async fn find_started(&self, new: &NewOrder<'_>) -> Result<StartedOrder, StartError> {
        let found = self.read_existing_start(new, None).await;
        found.map_err(|error| match error {
            StartError::Conflict | StartError::Missing | StartError::Failed(Error::NotFound) => {
                StartError::Missing
            }
            StartError::Failed(Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_)) => {
                error
            }
        })
    }

    /// Compares the existing order's memo with the request and returns which call started the
    /// order. Without a `start_id`, it was an earlier one.
    async fn read_existing_start(
        &self,
        new: &NewOrder<'_>,
        start_id: Option<&str>,
    ) -> Result<StartedOrder, StartError> {
        let call = |client: Client| async move {
            order_handle(&client, new.order_id)
                .describe(WorkflowDescribeOptions::default())
                .await
        };
        let description = self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error)?;
        let memo = description.memo();
        let memo_equals = |key: &str, value: &str| {
            memo.get::<String>(key)
                .ok()
                .flatten()
                .is_some_and(|text| text == value)
        };
        if !memo_equals(FINGERPRINT_MEMO, new.fingerprint) {
            return Err(StartError::Conflict);
        }
        if start_id.is_some_and(|id| memo_equals(START_ID_MEMO, id)) {
            return Ok(StartedOrder {
                run_id: description.run_id().to_owned(),
                status: OrderStatus::Pending,
                already_started: false,
            });
        }
        // The search attributes can be older than a response that the caller has got.
        let status = match self.query_order(new.order_id).await {
            Ok(view) => Some(view.status),
            Err(_) => description
                .search_attributes()
                .get(&ORDER_STATUS)
                .and_then(|status| OrderStatus::parse(&status)),
        };
        let info = description.raw_description.workflow_execution_info.as_ref();
        let first_run = info.map(|info| info.first_run_id.clone());
        Ok(StartedOrder {
            run_id: first_run
                .filter(|id| !id.is_empty())
                .unwrap_or_else(|| description.run_id().to_owned()),
            status: status.unwrap_or(OrderStatus::Pending),
            already_started: true,
        })
    }
}
