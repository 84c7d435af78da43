//! Transfer of payment events to an order or to a settlement. Temporal then stores the event, so it
//! is not lost.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use temporalio_client::{Client, WorkflowSignalOptions};

use crate::{
    Error, OrderClient,
    client::{SERVER_TIMEOUT, order_handle},
    grpc_error::CallError,
    shared_run::shared_options,
};
use contract::{order_workflow_id, recorder_workflow_id, settlement_workflow_id};
use domain::PaymentEvent;
use workflows::{
    Message, OrderWorkflow, PaymentEventSignal, RecorderInput, RecorderWorkflow, SettlementWorkflow,
};

/// The time in which a refused call is repeated while Temporal is busy. Shopify waits 5 s for a
/// response, and Adyen and Square 10 s.
const BUSY_LIMIT: Duration = Duration::from_secs(4);

/// The number of workflows that receive events of one message at a time. 250 consecutive calls
/// would take longer than a provider waits.
const CONCURRENCY: usize = 48;

impl OrderClient {
    /// Sends the events of one message. Events for one workflow are sent one after the other,
    /// because Temporal refuses bursts of signals to a workflow.
    ///
    /// # Errors
    ///
    /// Returns the first error. The provider then sends the whole message again, and events that
    /// arrived have no second effect.
    pub async fn send_payment_events(
        &self,
        payment_events: impl IntoIterator<Item = PaymentEventSignal>,
    ) -> Result<(), Error> {
        let mut by_workflow: BTreeMap<String, Vec<PaymentEventSignal>> = BTreeMap::new();
        for payment_event in payment_events {
            by_workflow
                .entry(first_receiver(&payment_event))
                .or_default()
                .push(payment_event);
        }
        let calls = by_workflow.into_values().map(|payment_events| async {
            for payment_event in payment_events {
                self.send_payment_event(payment_event).await?;
            }
            Ok(())
        });
        stream::iter(calls)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Sends the event to its order, or starts a settlement. It needs no worker. A repeated event
    /// has no second effect.
    #[tracing::instrument(name = "temporal.notify", skip_all)]
    pub async fn send_payment_event(&self, payment_event: PaymentEventSignal) -> Result<(), Error> {
        let until = Instant::now() + BUSY_LIMIT;
        if payment_event.event.concerns_order()
            && !payment_event.again
            && self.signal_order(&payment_event, until).await?
        {
            return Ok(());
        }
        if is_for_recorder(&payment_event) {
            return self.start_recorder(&payment_event, until).await;
        }
        self.start_settlement(&payment_event, until).await
    }

    /// Sends a confirmation that a closed order refused to a settlement, which records it.
    #[tracing::instrument(name = "temporal.record_refused_report", skip_all)]
    pub async fn record_refused_report(&self, report: PaymentEvent) -> Result<(), Error> {
        self.send_payment_event(PaymentEventSignal::new(report))
            .await
    }

    /// Sends the event to its order. Returns `false` if there is no open order.
    async fn signal_order(
        &self,
        payment_event: &PaymentEventSignal,
        until: Instant,
    ) -> Result<bool, Error> {
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
            .call_until(SERVER_TIMEOUT, until, signal)
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

    /// Sends the event to the recorder of its provider.
    async fn start_recorder(
        &self,
        payment_event: &PaymentEventSignal,
        until: Instant,
    ) -> Result<(), Error> {
        let queue = self.connection.settings().orders_task_queue.clone();
        let id = recorder_workflow_id(&queue, payment_event.event.provider);
        let start = |client: Client| {
            let options = shared_options(queue.clone(), id.clone());
            let message = Message::Valid(payment_event.clone());
            async move {
                let signal = RecorderWorkflow::payment_event;
                let run = RecorderWorkflow::run;
                client
                    .signal_with_start_workflow(
                        run,
                        RecorderInput::default(),
                        signal,
                        message,
                        options,
                    )
                    .await
            }
        };
        self.connection
            .call_until(SERVER_TIMEOUT, until, start)
            .await
            .map(drop)
            .map_err(CallError::into_error)
    }

    async fn start_settlement(
        &self,
        payment_event: &PaymentEventSignal,
        until: Instant,
    ) -> Result<(), Error> {
        let queue = self.connection.settings().orders_task_queue.clone();
        let id = settlement_workflow_id(&payment_event.event);
        let start = |client: Client| {
            let options = shared_options(queue.clone(), id.clone());
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
            .call_until(SERVER_TIMEOUT, until, start)
            .await
            .map(drop)
            .map_err(CallError::into_error)
    }
}

/// Returns a name of the workflow that receives the event first.
fn first_receiver(payment_event: &PaymentEventSignal) -> String {
    let event = &payment_event.event;
    match &event.order_id {
        Some(order_id) if event.concerns_order() && !payment_event.again => {
            order_workflow_id(order_id)
        }
        _ if is_for_recorder(payment_event) => event.provider.to_string(),
        _ => settlement_workflow_id(event),
    }
}

/// Returns whether the event is only recorded. An operator waits for a replayed one, which a settlement
/// processes.
fn is_for_recorder(payment_event: &PaymentEventSignal) -> bool {
    payment_event.event.is_only_recorded() && !payment_event.again
}
