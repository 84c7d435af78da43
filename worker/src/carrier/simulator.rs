//! A simulated carrier for laptops and tests. It stores its parcels in the database.

use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};

use super::{Carrier, CarrierError, Consignment, Parcel, Recalled};
use domain::{OrderId, TrackingEvent};
use store::{
    PgPool,
    simulator::{Fault, take_fault, take_parcel},
};

#[derive(Debug, Clone)]
pub struct Simulator {
    pool: PgPool,
}

impl Simulator {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn take_fault(
        &self,
        operation: &str,
        order_id: &OrderId,
    ) -> Result<Option<Fault>, CarrierError> {
        take_fault(&self.pool, operation, order_id.as_str())
            .await
            .map_err(|error| CarrierError(error.to_string()))
    }

    async fn accept_parcel(
        &self,
        consignment: &Consignment,
    ) -> Result<Option<Parcel>, CarrierError> {
        let tracking_number = format!("FEDEX-{}", consignment.shipment_id);
        let received = json!({
            "reference": consignment.reference,
            "address": consignment.address,
            "contents": consignment.contents,
        });
        self.find_or_insert_parcel(
            &consignment.reference,
            &consignment.shipment_id,
            Some(&tracking_number),
            Some(&received),
        )
        .await
    }

    async fn find_or_insert_parcel(
        &self,
        order_id: &OrderId,
        shipment_id: &str,
        tracking_number: Option<&str>,
        consignment: Option<&Value>,
    ) -> Result<Option<Parcel>, CarrierError> {
        let taken = take_parcel(
            &self.pool,
            shipment_id,
            order_id.as_str(),
            tracking_number,
            consignment,
        )
        .await;
        let taken = taken.map_err(|error| CarrierError(error.to_string()))?;
        Ok(taken
            .tracking_number
            .map(|tracking_number| Parcel { tracking_number }))
    }
}

impl Carrier for Simulator {
    fn name(&self) -> &str {
        "fedex"
    }

    fn dispatch<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<Parcel, CarrierError>> {
        async move {
            let fault = self.take_fault("dispatch", &consignment.reference).await?;
            match fault {
                Some(Fault::Fail | Fault::Decline) => {
                    return Err(CarrierError(
                        "simulated: the carrier is unavailable".to_owned(),
                    ));
                }
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::Lose) | None => {}
            }
            let taken = self.accept_parcel(consignment).await?;
            if fault == Some(Fault::Lose) {
                return Err(CarrierError("simulated: the response was lost".to_owned()));
            }
            taken.ok_or_else(|| CarrierError("the parcel was recalled".to_owned()))
        }
        .boxed()
    }

    fn recall<'a>(
        &'a self,
        order_id: &'a OrderId,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Recalled, CarrierError>> {
        async move {
            match self.take_fault("cancel_shipment", order_id).await? {
                Some(Fault::Fail | Fault::Decline) => {
                    return Err(CarrierError(
                        "simulated: the carrier is unavailable".to_owned(),
                    ));
                }
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::Lose) | None => {}
            }
            Ok(self
                .find_or_insert_parcel(order_id, shipment_id, None, None)
                .await?
                .map_or(Recalled::NeverTaken, Recalled::TooLate))
        }
        .boxed()
    }

    /// Nothing happens to a simulated parcel.
    fn status<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<TrackingEvent>, CarrierError>> {
        async { Ok(None) }.boxed()
    }
}
