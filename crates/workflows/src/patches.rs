//! Patch ids. A run that began before a change keeps the old behaviour until it ends. A patch id is
//! removed when no run is older than the change.

/// A payment confirmation that arrives before the payment step is answered immediately, not after
/// it is recorded.
pub(crate) const EARLY_CONFIRMATION: &str = "answer-an-early-confirmation-at-once";

/// The order's deadline has its own timer, which also runs while a step is retried.
pub(crate) const DEADLINE_WATCHED: &str = "watch-the-deadline";

/// Payments add up to the total, an ended attempt does not end the order, and a payment event is
/// recorded in the ledger before the audit log.
pub(crate) const ONE_LEDGER: &str = "keep-one-ledger";

/// The payment provider is asked before an unpaid order is cancelled.
pub(crate) const LOOK_UP_PAYMENTS: &str = "look-up-payments-before-time-out";

/// A confirmation that the order refuses is recorded for the work list.
pub(crate) const RECORD_REFUSED_REPORT: &str = "record-a-refused-confirmation";

/// A stop joins a pending recall, the order reads from the history of a stopped attempt that the
/// carrier was not asked, and a stopped order discards its prepared shipment.
pub(crate) const COMPLETE_RECALL: &str = "complete-a-recall";

/// An intent of Stripe can be the money of a session that the order has, so the order does not refuse
/// it as a second payment.
pub(crate) const JOIN_SESSION: &str = "join-a-session-and-its-intent";

/// A confirmation by API is refused if its transaction is known and does not pay the order.
pub(crate) const REFUSE_CONTRADICTION: &str = "refuse-a-contradicting-confirmation";

/// A repeated confirmation with another amount is refused, and a confirmation of money that a stopped
/// order refunds has its own code.
pub(crate) const REFUSE_CHANGED_REPEAT: &str = "refuse-a-changed-repeat";

/// With `PAYMENT_PARTIAL=refund`, the order waits for the other captures of a transaction.
pub(crate) const WAIT_FOR_CAPTURES: &str = "wait-for-the-other-captures";

/// A confirmation by API cancels its order, if events about the loss of the money arrived earlier.
pub(crate) const CANCEL_LOST_CONFIRMATION: &str = "cancel-a-lost-confirmation";

/// Another payment can replace missing money of an order that was paid before.
pub(crate) const REPLACE_MISSING_MONEY: &str = "replace-missing-money";

/// A cancelled payment that is only authorised is voided.
pub(crate) const VOID_CANCELLED: &str = "void-a-cancelled-authorisation";

/// The payment of a held order can be cancelled.
pub(crate) const CANCEL_HELD: &str = "cancel-the-payment-of-a-held-order";

/// An event about an ended order can leave money that must be refunded.
pub(crate) const REFUND_AFTER_END: &str = "refund-after-the-end";

/// The carrier is asked about a parcel whose delivery was not confirmed in time.
pub(crate) const CHECK_SHIPMENT: &str = "check-an-unconfirmed-shipment";

/// A search for lost workflows also starts the workflows of unfinished refunds again.
pub(crate) const RECOVER_REFUNDS: &str = "recover-unfinished-refunds";
