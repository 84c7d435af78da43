//! What can be asked of an order.

use domain::{
    AddressChange, Approval, Cancellation, DeliveryConfirmation, PaymentCancellation,
    PaymentConfirmation, Rejection,
};

/// One request, with its name on the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Approve(Approval),
    Reject(Rejection),
    Cancel(Cancellation),
    UpdateAddress(AddressChange),
    CancelPayment(PaymentCancellation),
    ConfirmPayment(PaymentConfirmation),
    ConfirmDelivery(DeliveryConfirmation),
}
