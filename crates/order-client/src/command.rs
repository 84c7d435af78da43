//! What can be asked of an order.

use contract::{
    Approval, Cancellation, DeliveryConfirmation, PaymentCancellation, PaymentConfirmation,
    Rejection,
};
use domain::AddressChange;

/// One request, with its name on the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderCommand {
    Approve(Approval),
    Reject(Rejection),
    Cancel(Cancellation),
    UpdateAddress(AddressChange),
    CancelPayment(PaymentCancellation),
    ConfirmPayment(PaymentConfirmation),
    ConfirmDelivery(DeliveryConfirmation),
}
