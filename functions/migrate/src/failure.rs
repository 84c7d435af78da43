//! A failed migration, as a person reads it in CloudFormation and in the log.

use std::error::Error;

use settings::SettingError;
use telemetry::format_error_chain;

/// The length of a reason that people can read. CloudFormation's limit for a response is 4 KB.
const REASON_LENGTH: usize = 400;

/// The cause of a failure and its remedy, both without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    cause: String,
    remedy: String,
    /// The whole cause, with the text of the database.
    detail: String,
    /// Whether a repetition may succeed without a change.
    pub(crate) is_transient: bool,
}

impl Failure {
    /// Creates a failure that a repetition does not remove.
    pub fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        let cause = cause.into();
        Self {
            detail: cause.clone(),
            cause,
            remedy: remedy.into(),
            is_transient: false,
        }
    }

    pub(crate) fn from_setting(error: &SettingError) -> Self {
        Self::new(
            error.to_string(),
            "correct the parameter or the secret, then release again",
        )
    }

    /// Adds the causes of `error` to the text for the log.
    pub(crate) fn with_detail(mut self, error: &(dyn Error + 'static)) -> Self {
        self.detail = format_error_chain(error);
        self
    }

    pub(crate) fn transient(mut self, is_transient: bool) -> Self {
        self.is_transient = is_transient;
        self
    }

    /// Returns the whole cause, for the log.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the text for CloudFormation, which names the remedy and the log group. If it is too
    /// long, the cause is cut.
    pub fn reason(&self, log_group: &str) -> String {
        let end = format!("; {}; log group {log_group}", self.remedy);
        let space = REASON_LENGTH.saturating_sub(end.chars().count());
        let mut cause: String = self.cause.chars().take(space).collect();
        if cause.len() < self.cause.len() {
            cause.pop();
            cause.push('…');
        }
        (cause + &end).chars().take(REASON_LENGTH).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cause_is_cut_and_the_remedy_stays() {
        let failure = Failure::new("ü".repeat(1_000), "release again");
        let reason = failure.reason("orderflow-MigrateLogs");
        assert_eq!(reason.chars().count(), 400);
        assert!(
            reason.ends_with("ü…; release again; log group orderflow-MigrateLogs"),
            "{reason}"
        );
        assert_eq!(failure.detail().chars().count(), 1_000);
    }

    #[test]
    fn short_reason_has_cause_remedy_and_log_group() {
        let reason = Failure::new("no rows", "add one").reason("logs");
        assert_eq!(reason, "no rows; add one; log group logs");
    }
}
