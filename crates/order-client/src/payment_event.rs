//! Passing on what payment providers tell: to the order, or to a settlement. Once Temporal has it, it is not lost.

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
    /// Has Temporal keep the event, whether a worker runs or not. The same event again has no second effect.
    #[tracing::instrument(name = "temporal.notify", skip_all)]
    pub async fn send_payment_event(&self, notice: PaymentEventSignal) -> Result<(), Error> {
        if notice.event.concerns_order() && !notice.again && self.tell(&notice).await? {
            return Ok(());
        }
        self.settle(&notice).await
    }

    /// Whether there is an open order that has it now.
    async fn tell(&self, notice: &PaymentEventSignal) -> Result<bool, Error> {
        let Some(order_id) = &notice.event.order_id else {
            return Ok(false);
        };
        let signal = |client: Client| {
            let message = Message::Valid(notice.clone());
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
            // There is none, or it has ended.
            Err(Error::NotFound) => Ok(false),
            Err(error @ (Error::Unavailable(_) | Error::NoWorker | Error::Unexpected(_))) => {
                Err(error)
            }
        }
    }

    async fn settle(&self, notice: &PaymentEventSignal) -> Result<(), Error> {
        let queue = self.connection.settings().orders_task_queue.clone();
        let start = |client: Client| {
            let options =
                WorkflowStartOptions::new(queue.clone(), settlement_workflow_id(&notice.event))
                    .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
                    .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
                    .build();
            let message = Message::Valid(notice.clone());
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
