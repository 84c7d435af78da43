//! Patch ids: what runs that began before a change still do the old way. One is retired when no run is older.

/// A confirmation that comes before the order waits for it is answered at once, not when it is recorded.
pub(crate) const EARLY_CONFIRMATION: &str = "answer-an-early-confirmation-at-once";

/// The deadline has a timer of its own, which goes on while a step is tried again and again.
pub(crate) const DEADLINE_WATCHED: &str = "watch-the-deadline";
