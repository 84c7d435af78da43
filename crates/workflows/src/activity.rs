//! Declarations of the activities: names, inputs and outputs. The worker implements them.
//!
//! Temporal may run each activity more than once, so an implementation must be idempotent. A
//! refusal by an external system is a value in the output, never an error. Errors are for lost
//! attempts, which Temporal retries (see `policies.rs`).
#![expect(
    clippy::unimplemented,
    reason = "declarations; the macro requires bodies"
)]

mod closed_order;
mod order;
mod recall;
mod recovery;
mod refund;
mod returns;
mod settlement;
mod shipping;

pub use closed_order::{ChangeClosedOrder, ClosedChange, ClosedOrderActivities, ClosedOrderChange};
pub(crate) use order::missing_events;
pub use order::{
    CapturePayment, CapturePaymentInput, ChangeReservation, ChangeReservationInput,
    ChangeReservationOutcome, ChargeOutcome, ChargePayment, ChargePaymentInput, CommitInventory,
    ConfirmDelivery, EarlierEffects, EarlierParcel, FindEarlierEffects, LookUpPayments,
    LookUpPaymentsInput, LookUpPaymentsOutcome, LostRows, MISSING_EVENTS, OrderActivities,
    ParcelRecord, ParcelState, PendingWrite, ReceiveOrder, ReceiveOrderInput, ReceiveOrderOutcome,
    RecordOrder, RecordPayment, RecordPaymentInput, RecordPaymentOutcome, RecordPaymentResult,
    RefundOutcome, RefundPayment, RefundPaymentInput, ReleaseInventory, ReservationOutcome,
    ReserveInventory, ReserveInventoryInput, ValidateOrder, ValidateOrderInput, ValidationOutcome,
};
pub use recall::{CheckStoppedAttempt, DiscardShipment, RecallActivities, StoppedAttempt};
pub use recovery::{
    CheckOrderRow, CheckOrderRowInput, FindLostOrders, FindLostOrdersInput, LossCause, LostOrder,
    LostOrdersPage, RecoverOrders, RecoverOrdersInput, RecoveryActivities, RecoveryInput,
    RecoveryReport, RunningOrderCursor,
};
pub use refund::{
    AnnounceRefund, AnnounceRefundInput, AnnounceRefundOutcome, ClaimRefund, PayRefund,
    RecoverRefunds, RecoverRefundsInput, RefundActivities, RefundReference, RestockRefund,
};
pub use returns::{ChangeReturn, ReturnActivities};
pub use settlement::{
    AppendToTrail, FindOrder, FoundOrder, LateAuditEventInput, OrderPresence, ReceiveDelivery,
    ReceivePaymentEventInput, ReconcileDifference, ReconcileInput, ReconcileOutcome,
    ReconcilePayments, ReconcileReport, RecordDeliveries, RecordDelivery, RecordPaymentEventInput,
    RecordedBatch, RecordedEvent, RefundEndedOrder, SettlePayment, SettlePaymentOutcome,
    SettlementActivities, UnmatchedPaymentInput,
};
pub use shipping::{
    CancelShipment, CancelShipmentOutcome, CheckShipment, DispatchCarrier, DispatchCarrierInput,
    DispatchOutcome, PreparePackage, PreparePackageInput, ShipmentRequest, ShippingActivities,
};
