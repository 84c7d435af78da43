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

impl OrderCommand {
    /// Makes the reason of a customer's own request visible to the customer.
    pub fn publish_reason(&mut self) {
        let (text, public) = match self {
            Self::Approve(body) => (&body.note, &mut body.public_reason),
            Self::Reject(body) => (&body.reason, &mut body.public_reason),
            Self::Cancel(body) => (&body.reason, &mut body.public_reason),
            Self::CancelPayment(body) => (&body.reason, &mut body.public_reason),
            Self::Hold(body) => (&body.reason, &mut body.public_reason),
            Self::Release(body) => (&body.reason, &mut body.public_reason),
            Self::UpdateAddress(_)
            | Self::ConfirmPayment(_)
            | Self::ConfirmDelivery(_)
            | Self::Update(_)
            | Self::UpdateItems(_) => return,
        };
        if public.is_none() {
            public.clone_from(text);
        }
        if let Self::Cancel(body) = self {
            let own = || "You cancelled this order.".to_owned();
            body.public_reason.get_or_insert_with(own);
        }
    }
}
