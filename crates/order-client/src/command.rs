//! The requests to an order.

use contract::{
    Approval, Cancellation, DeliveryConfirmation, HoldRequest, PaymentCancellation,
    PaymentConfirmation, Rejection, Release,
};
use domain::{AddressChange, ItemsChange, NotesChange};

/// A request to an order. Each variant corresponds to one update of the order's workflow.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderCommand {
    Approve(Approval),
    Reject(Rejection),
    Cancel(Cancellation),
    UpdateAddress(AddressChange),
    CancelPayment(PaymentCancellation),
    ConfirmPayment(PaymentConfirmation),
    ConfirmDelivery(DeliveryConfirmation),
    Hold(HoldRequest),
    Release(Release),
    Update(NotesChange),
    UpdateItems(ItemsChange),
}
