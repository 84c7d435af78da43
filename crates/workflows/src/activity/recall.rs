//! Activities that stop shipping without a shipping worker, and their outputs.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use super::ShipmentRequest;

/// The output of `CheckStoppedAttempt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedAttempt {
    /// The signal `stop` precedes every activity in the history, so the attempt never asks the
    /// carrier.
    NeverAsksCarrier,
    /// An activity precedes the signal. Only the attempt's result states the outcome.
    MayHaveAskedCarrier,
    /// The history has neither. Temporal adds a signal after the running workflow task.
    Unknown,
}

/// Activities that stop shipping, on the orders' task queue. They work without a shipping worker.
pub struct RecallActivities;

#[activity_definitions]
impl RecallActivities {
    /// Reads from the history of a stopped shipping attempt whether it asks the carrier.
    #[activity(name = "CheckStoppedAttempt")]
    pub fn check_stopped_attempt(workflow_id: String) -> StoppedAttempt {
        unimplemented!()
    }

    /// Cancels a shipment that the carrier was not asked to take. A late `PreparePackage` does not
    /// prepare it again.
    #[activity(name = "DiscardShipment")]
    pub fn discard_shipment(shipment: ShipmentRequest) {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use recall_activities::{CheckStoppedAttempt, DiscardShipment};
