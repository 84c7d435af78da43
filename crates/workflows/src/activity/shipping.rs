//! Activities that ship an order, and their inputs and outputs.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use domain::{Address, LineItem, OrderId, TrackingEvent};

/// The input of `PreparePackage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparePackageInput {
    pub order_id: OrderId,
    pub shipment_id: String,
    pub address: Option<Address>,
    pub lines: Vec<LineItem>,
    /// The shipping attempt, from 1. A later attempt replaces the contents of an earlier one.
    #[serde(default)]
    pub attempt: u32,
}

/// The input of `DispatchCarrier`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatchCarrierInput {
    pub order_id: OrderId,
    pub shipment_id: String,
    #[serde(default)]
    pub address: Option<Address>,
    #[serde(default)]
    pub lines: Vec<LineItem>,
    /// The order records the dispatch, together with its own.
    #[serde(default)]
    pub recorded_by_order: bool,
}

/// The input of `CancelShipment`, `CheckShipment` and `DiscardShipment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShipmentRequest {
    pub order_id: OrderId,
    pub shipment_id: String,
}

/// The output of `DispatchCarrier`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum DispatchOutcome {
    Dispatched {
        tracking_number: String,
        provider: String,
    },
    /// The carrier refused or did not respond.
    Failed { reason: String },
}

/// The output of `CancelShipment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CancelShipmentOutcome {
    /// The carrier does not have the parcel and will not accept it later.
    Cancelled,
    /// The carrier already has the parcel.
    AlreadyDispatched {
        tracking_number: String,
        provider: String,
    },
}

/// Activities that ship an order, on the shipping task queue.
pub struct ShippingActivities;

#[activity_definitions]
impl ShippingActivities {
    /// Prepares the package and records its contents.
    #[activity(name = "PreparePackage")]
    pub fn prepare_package(package: PreparePackageInput) {
        unimplemented!()
    }

    /// Asks the carrier to take the parcel.
    #[activity(name = "DispatchCarrier")]
    pub fn dispatch_carrier(parcel: DispatchCarrierInput) -> DispatchOutcome {
        unimplemented!()
    }

    /// Cancels the parcel at the carrier, or detects that it was dispatched.
    #[activity(name = "CancelShipment")]
    pub fn cancel_shipment(shipment: ShipmentRequest) -> CancelShipmentOutcome {
        unimplemented!()
    }

    /// Asks the carrier for the last thing that happened to the parcel, if it can tell.
    #[activity(name = "CheckShipment")]
    pub fn check_shipment(shipment: ShipmentRequest) -> Option<TrackingEvent> {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use shipping_activities::{CancelShipment, CheckShipment, DispatchCarrier, PreparePackage};
