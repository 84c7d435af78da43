//! The error for a bad or missing setting.

use std::{error::Error, fmt};

use crate::Setting;

/// A setting with a value that is not allowed, or without a required value.
///
/// The message names the variable, the value, the problem and the allowed values. The value of a
/// secret is shown as `…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    name: &'static str,
    /// `None` for a setting without a value.
    value: Option<String>,
    problem: String,
    allowed: String,
}

impl SettingError {
    /// Returns the error for a group of variables that another library reads, such as `TEMPORAL_*`.
    pub fn from_group(name: &'static str, problem: impl Into<String>) -> Self {
        Self {
            name,
            value: None,
            problem: problem.into(),
            allowed: String::new(),
        }
    }

    /// Returns the name of the variable.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(value) = &self.value {
            write!(f, "={value}")?;
        }
        write!(f, ": {}", self.problem)?;
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed)?;
        }
        Ok(())
    }
}

impl Error for SettingError {}

impl Setting {
    /// Returns the error for a value that is not allowed. Hides the value of a secret.
    pub fn reject(&self, value: &str, problem: impl Into<String>) -> SettingError {
        let shown = if self.is_secret() { "…" } else { value };
        self.error(Some(shown), problem)
    }

    /// Returns the error for a value that is not shown because it may contain a secret.
    pub fn reject_hidden(&self, problem: impl Into<String>) -> SettingError {
        self.error(Some("…"), problem)
    }

    /// Returns the error for a required setting that has no value; `problem` is the reason why it is required.
    pub fn missing(&self, problem: impl Into<String>) -> SettingError {
        self.error(None, problem)
    }

    fn error(&self, value: Option<&str>, problem: impl Into<String>) -> SettingError {
        SettingError {
            name: self.name(),
            value: value.map(ToOwned::to_owned),
            problem: problem.into(),
            allowed: self.allowed().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn error_names_value_problem_and_allowed_values() {
        assert_eq!(
            crate::LOG_FORMAT.reject("xml", "unknown value").to_string(),
            "LOG_FORMAT=xml: unknown value; allowed: pretty, json"
        );
        assert_eq!(
            crate::API_AUTH.missing("required on Lambda").to_string(),
            "API_AUTH: required on Lambda; allowed: none, api-key, jwt"
        );
    }

    #[test]
    fn value_of_a_secret_is_hidden() {
        let error = crate::SMTP_PASSWORD.reject("topsecret", "too short");
        assert!(!error.to_string().contains("topsecret"), "{error}");
        assert!(!format!("{error:?}").contains("topsecret"), "{error:?}");
    }
}
