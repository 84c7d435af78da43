//! The carrier, behind one trait.

mod simulator;

use futures::future::BoxFuture;

use domain::OrderId;
pub use simulator::Simulator;

/// A parcel the carrier has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub tracking_number: String,
}

/// The carrier's last word on a parcel that was recalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// It does not have the parcel and will not take it any more.
    NeverTaken,
    TooLate(Parcel),
}

/// The carrier refused, or nobody knows what happened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CarrierError(pub String);

/// A carrier. The shipment id is the idempotency key: the same one is the same parcel.
pub trait Carrier: Send + Sync + 'static {
    /// The name callers see as the shipment's provider.
    fn name(&self) -> &'static str;

    /// Hands over the parcel, once.
    fn dispatch<'a>(
        &'a self,
        order_id: &'a OrderId,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Parcel, CarrierError>>;

    /// Makes sure the carrier never takes the parcel, or finds that it has.
    fn recall<'a>(
        &'a self,
        order_id: &'a OrderId,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Recalled, CarrierError>>;
}
