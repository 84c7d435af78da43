//! The activities that stop shipping without a shipping worker.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::retryable;
use order_client::{OrderClient, SignalPosition};
use store::{PgPool, shipments};
use workflows::{
    STOP_SIGNAL,
    activity::{ShipmentRequest, StoppedAttempt},
};

pub struct RecallActivities {
    pub pool: PgPool,
    pub temporal: OrderClient,
}

#[activities]
impl RecallActivities {
    #[activity(definition = workflows::activity::CheckStoppedAttempt)]
    pub async fn check_stopped_attempt(
        self: Arc<Self>,
        context: ActivityContext,
        workflow_id: String,
    ) -> Result<StoppedAttempt, ActivityError> {
        let position = self
            .temporal
            .find_signal_position(&workflow_id, STOP_SIGNAL)
            .await
            .map_err(|error| retryable(&context, &error))?;
        Ok(match position {
            SignalPosition::BeforeActivities => StoppedAttempt::NeverAsksCarrier,
            SignalPosition::AfterActivity => StoppedAttempt::MayHaveAskedCarrier,
            SignalPosition::Unknown => StoppedAttempt::Unknown,
        })
    }

    #[activity(definition = workflows::activity::DiscardShipment)]
    pub async fn discard_shipment(
        self: Arc<Self>,
        context: ActivityContext,
        shipment: ShipmentRequest,
    ) -> Result<(), ActivityError> {
        shipments::record_cancellation(&self.pool, &shipment.order_id, &shipment.shipment_id)
            .await
            .map_err(|error| retryable(&context, &error))
    }
}
