//! Transfer of payment events to an order or to a settlement. Temporal then stores the event, so it
//! is not lost.

use temporalio_client::{
    Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions,
    WorkflowStartOptions,
};

use crate::{
    Error, OrderClient,
    client::{SERVER_TIMEOUT, order_handle},
    grpc_error::CallError,
};
use contract::settlement_workflow_id;
use workflows::{Message, OrderWorkflow, PaymentEventSignal, SettlementWorkflow};

impl OrderClient {
    /// Sends the event to its order, or starts a settlement. It needs no worker. A repeated event
    /// has no second effect.
    #[tracing::instrument(name = "temporal.notify", skip_all)]
    pub async fn send_payment_event(&self, payment_event: PaymentEventSignal) -> Result<(), Error> {
        if payment_event.event.concerns_order()
            && !payment_event.again
            && self.signal_order(&payment_event).await?
        {
            return Ok(());
        }
        self.start_settlement(&payment_event).await
    }

    /// Sends the event to its order. Returns `false` if there is no open order.
    async fn signal_order(&self, payment_event: &PaymentEventSignal) -> Result<bool, Error> {
        let Some(order_id) = &payment_event.event.order_id else {
            return Ok(false);
        };
        let signal = |client: Client| {
            let message = Message::Valid(payment_event.clone());
            async move {
                let order = order_handle(&client, order_id);
                order
                    .signal(
                        OrderWorkflow::payment_event,
                        message,
                        WorkflowSignalOptions::default(),
                    )
                    .await
            }
        };
        match self
            .connection
            .call(SERVER_TIMEOUT, signal)
            .await
            .map_err(CallError::into_error)
        {
            Ok(()) => Ok(true),
            // The order does not exist or has ended.
            Err(Error::NotFound) => Ok(false),
            Err(error @ (Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_))) => {
                Err(error)
            }
        }
    }

    async fn start_settlement(&self, payment_event: &PaymentEventSignal) -> Result<(), Error> {
        let queue = self.connection.settings().orders_task_queue.clone();
        let start = |client: Client| {
            let options = WorkflowStartOptions::new(
                queue.clone(),
                settlement_workflow_id(&payment_event.event),
            )
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build();
            let message = Message::Valid(payment_event.clone());
            async move {
                let signal = SettlementWorkflow::payment_event;
                client
                    .signal_with_start_workflow(
                        SettlementWorkflow::run,
                        None,
                        signal,
                        message,
                        options,
                    )
                    .await
            }
        };
        self.connection
            .call(SERVER_TIMEOUT, start)
            .await
            .map(drop)
            .map_err(CallError::into_error)
    }
}
