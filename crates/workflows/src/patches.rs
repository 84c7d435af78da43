//! Patch ids. A run that began before a change keeps the old behaviour until it ends. A patch id is
//! removed when no run is older than the change.

/// A payment confirmation that arrives before the payment step is answered immediately, not after
/// it is recorded.
pub(crate) const EARLY_CONFIRMATION: &str = "answer-an-early-confirmation-at-once";

/// The order's deadline has its own timer, which also runs while a step is retried.
pub(crate) const DEADLINE_WATCHED: &str = "watch-the-deadline";

/// A stop joins a pending recall, the order reads from the history of a stopped attempt that the
/// carrier was not asked, and a stopped order discards its prepared shipment.
pub(crate) const COMPLETE_RECALL: &str = "complete-a-recall";
