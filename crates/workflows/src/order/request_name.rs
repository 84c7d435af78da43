//! The names of requests in Temporal and in the audit log.

pub(super) const APPROVE_ORDER: &str = "approve_order";
pub(super) const REJECT_ORDER: &str = "reject_order";
pub(super) const CANCEL_ORDER: &str = "cancel_order";
pub(super) const UPDATE_ADDRESS: &str = "update_address";
pub(super) const CANCEL_PAYMENT: &str = "cancel_payment";
pub(super) const CONFIRM_PAYMENT: &str = "confirm_payment";
pub(super) const CONFIRM_DELIVERY: &str = "confirm_delivery";
pub(super) const HOLD_ORDER: &str = "hold_order";
pub(super) const RELEASE_ORDER: &str = "release_order";
pub(super) const UPDATE_ORDER: &str = "update_order";
pub(super) const UPDATE_ITEMS: &str = "update_items";
pub(super) const PAYMENT_EVENT: &str = "payment_event";
pub(super) const UNMATCHED_PAYMENT: &str = "stray_money";
pub(super) const TRACKING_REPORT: &str = "tracking_report";
pub(super) const REFUND_CHANGED: &str = "refund_changed";
pub(super) const DISPATCH_FAILED: &str = "dispatch_failed";
