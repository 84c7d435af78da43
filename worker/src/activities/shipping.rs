//! The activities that ship a parcel.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::timeout;
use tracing::{Span, field};

use super::{CARRIER_ANSWER, retryable};
use crate::{
    carrier::{Carrier, Consignment, Recalled},
    traces::trace_call,
};
use domain::TrackingEvent;
use store::{
    PgPool,
    shipments::{self, Package},
};
use workflows::activity::{
    CancelShipmentOutcome, DispatchCarrierInput, DispatchOutcome, PreparePackageInput,
    ShipmentRequest,
};

/// Returns the span of a call to the carrier.
fn carrier_span(carrier: &dyn Carrier, operation: &str) -> Span {
    tracing::trace_span!(
        "carrier.call",
        otel.name = format!("{} {operation}", carrier.name()),
        otel.kind = "client",
        otel.status_code = field::Empty,
    )
}

pub struct ShippingActivities {
    pub pool: PgPool,
    pub carrier: Arc<dyn Carrier>,
}

#[activities]
impl ShippingActivities {
    #[activity(definition = workflows::activity::PreparePackage)]
    pub async fn prepare_package(
        self: Arc<Self>,
        context: ActivityContext,
        package: PreparePackageInput,
    ) -> Result<(), ActivityError> {
        let address = serde_json::json!(package.address);
        let items = package.lines.iter().map(contract::line_document).collect();
        let prepared = shipments::prepare(
            &self.pool,
            Package {
                order_id: &package.order_id,
                shipment_id: &package.shipment_id,
                attempt: package.attempt,
                address: &address,
                items: &items,
            },
        );
        prepared.await.map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::DispatchCarrier)]
    pub async fn dispatch_carrier(
        self: Arc<Self>,
        context: ActivityContext,
        input: DispatchCarrierInput,
    ) -> Result<DispatchOutcome, ActivityError> {
        let consignment = Consignment {
            shipment_id: input.shipment_id,
            reference: input.order_id,
            address: input.address,
            contents: input.lines,
        };
        let call = self.carrier.dispatch(&consignment);
        let call = trace_call(carrier_span(&*self.carrier, "dispatch"), call);
        let parcel = match timeout(CARRIER_ANSWER, call).await {
            Ok(Ok(parcel)) => parcel,
            Ok(Err(error)) => {
                return Ok(DispatchOutcome::Failed {
                    reason: error.to_string(),
                });
            }
            Err(_) => {
                return Ok(DispatchOutcome::Failed {
                    reason: format!("no response within {CARRIER_ANSWER:?}"),
                });
            }
        };
        let dispatched = DispatchOutcome::Dispatched {
            tracking_number: parcel.tracking_number.clone(),
            provider: self.carrier.name().to_owned(),
        };
        if input.recorded_by_order {
            return Ok(dispatched);
        }
        let recorded = shipments::record_dispatch(
            &self.pool,
            Package {
                order_id: &consignment.reference,
                shipment_id: &consignment.shipment_id,
                attempt: 0,
                address: &serde_json::json!(consignment.address),
                items: &consignment
                    .contents
                    .iter()
                    .map(contract::line_document)
                    .collect(),
            },
            &parcel.tracking_number,
        )
        .await;
        recorded.map_err(|error| retryable(&context, &error))?;
        Ok(dispatched)
    }

    #[activity(definition = workflows::activity::CancelShipment)]
    pub async fn cancel_shipment(
        self: Arc<Self>,
        context: ActivityContext,
        shipment: ShipmentRequest,
    ) -> Result<CancelShipmentOutcome, ActivityError> {
        let call = timeout(
            CARRIER_ANSWER,
            trace_call(
                carrier_span(&*self.carrier, "recall"),
                self.carrier
                    .recall(&shipment.order_id, &shipment.shipment_id),
            ),
        )
        .await;
        let recalled = call
            .map_err(|elapsed| retryable(&context, &elapsed))?
            .map_err(|error| retryable(&context, &error))?;
        let recorded = match &recalled {
            Recalled::NeverTaken => {
                shipments::record_cancellation(
                    &self.pool,
                    &shipment.order_id,
                    &shipment.shipment_id,
                )
                .await
            }
            Recalled::TooLate(parcel) => {
                shipments::record_dispatch(
                    &self.pool,
                    Package {
                        order_id: &shipment.order_id,
                        shipment_id: &shipment.shipment_id,
                        attempt: 0,
                        address: &serde_json::Value::Null,
                        items: &serde_json::json!([]),
                    },
                    &parcel.tracking_number,
                )
                .await
            }
        };
        recorded.map_err(|error| retryable(&context, &error))?;
        Ok(match recalled {
            Recalled::NeverTaken => CancelShipmentOutcome::Cancelled,
            Recalled::TooLate(parcel) => CancelShipmentOutcome::AlreadyDispatched {
                tracking_number: parcel.tracking_number,
                provider: self.carrier.name().to_owned(),
            },
        })
    }

    #[activity(definition = workflows::activity::CheckShipment)]
    pub async fn check_shipment(
        self: Arc<Self>,
        context: ActivityContext,
        shipment: ShipmentRequest,
    ) -> Result<Option<TrackingEvent>, ActivityError> {
        let call = self.carrier.status(&shipment.shipment_id);
        let call = trace_call(carrier_span(&*self.carrier, "status"), call);
        timeout(CARRIER_ANSWER, call)
            .await
            .map_err(|elapsed| retryable(&context, &elapsed))?
            .map_err(|error| retryable(&context, &error))
    }
}
