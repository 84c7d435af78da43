//! The refusal of a request beyond an order's quota. Such a request leaves no history.

use std::fmt;

const PREFIX: &str = "too_many_requests_for_order; retry after ";

/// The prefix of the ids of updates without an `Idempotency-Key`, whose outcomes no caller asks for
/// again.
pub const ANONYMOUS_UPDATE: &str = "once-";

/// A request beyond an order's quota, as a validator reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// The time until the order accepts such a request again.
    pub retry_after_seconds: u32,
}

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{} s", self.retry_after_seconds)
    }
}

impl std::error::Error for QuotaExceeded {}

impl QuotaExceeded {
    /// Parses the message of a failed update; `None` for any other failure.
    pub fn parse(message: &str) -> Option<Self> {
        let seconds = message.strip_prefix(PREFIX)?.strip_suffix(" s")?;
        seconds
            .parse()
            .map(|retry_after_seconds| Self {
                retry_after_seconds,
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_round_trips_as_message() {
        let refusal = QuotaExceeded {
            retry_after_seconds: 42,
        };
        assert_eq!(QuotaExceeded::parse(&refusal.to_string()), Some(refusal));
        assert_eq!(QuotaExceeded::parse("workflow input: no"), None);
    }
}
