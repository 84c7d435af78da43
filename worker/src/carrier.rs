//! The interface to a carrier.

mod http;
mod settings;
mod simulator;

use futures::future::BoxFuture;

use domain::{Address, LineItem, OrderId, TrackingEvent};
pub use http::HttpCarrier;
pub use settings::{CarrierSettings, HttpCarrierSettings};
pub use simulator::Simulator;

/// A parcel for the carrier to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Consignment {
    pub shipment_id: String,
    /// The order's id, as the sender's reference.
    pub reference: OrderId,
    /// `None` if the order has no address. A carrier that needs one refuses the parcel.
    pub address: Option<Address>,
    pub contents: Vec<LineItem>,
}

/// A parcel that the carrier has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub tracking_number: String,
}

/// The carrier's final response about a recalled parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// The carrier does not have the parcel and will not accept it.
    NeverTaken,
    TooLate(Parcel),
}

/// The carrier refused, or the outcome of the call is unknown.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CarrierError(pub String);

/// A carrier. The shipment id is the idempotency key: calls with the same id are about the same
/// parcel.
pub trait Carrier: Send + Sync + 'static {
    /// The name of the carrier in API responses.
    fn name(&self) -> &str;

    /// Hands the parcel to the carrier. A repeated call returns the first result.
    fn dispatch<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<Parcel, CarrierError>>;

    /// Makes sure that the carrier never accepts the parcel, or finds out that it has.
    fn recall<'a>(
        &'a self,
        order_id: &'a OrderId,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Recalled, CarrierError>>;

    /// Returns the last thing that happened to a parcel after the carrier took it; `None` if the carrier
    /// cannot tell, or knows of nothing.
    fn status<'a>(
        &'a self,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<TrackingEvent>, CarrierError>>;
}
