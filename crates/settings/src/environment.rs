//! The values of all settings, read once.

use std::{collections::BTreeMap, env, ffi::OsString, str::FromStr, time::Duration};

use crate::{ALL, Allowed, Program, Setting, SettingError, find, parse_duration};

/// The values of the settings in the table, trimmed. An empty value counts as not set.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

/// Without the values, which may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Reads the environment of this process. A value that is not UTF-8 counts as not set.
    pub fn from_process() -> Self {
        Self(
            ALL.iter()
                .filter_map(|setting| Some((setting.name(), env::var(setting.name()).ok()?)))
                .filter_map(|(name, value)| Some((name, clean(name, &value)?)))
                .collect(),
        )
    }

    /// Returns an environment with these values only.
    ///
    /// # Panics
    ///
    /// Panics for a name that is not in the table.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let known = |name: &str| find(name).unwrap_or_else(|| panic!("{name} is not a setting"));
        Self(
            pairs
                .into_iter()
                .filter_map(|(name, value)| {
                    let name = known(name).name();
                    Some((name, clean(name, value)?))
                })
                .collect(),
        )
    }

    /// Sets a value, unless the variable has one already.
    #[must_use]
    pub fn or_set(mut self, setting: &Setting, value: &str) -> Self {
        self.0
            .entry(setting.name)
            .or_insert_with(|| value.to_owned());
        self
    }

    /// Returns the value, or `None` if it is not set.
    pub fn get(&self, setting: &Setting) -> Option<&str> {
        self.0.get(setting.name).map(String::as_str)
    }

    /// Returns the value, or the default of the table.
    pub fn get_or_default(&self, setting: &Setting) -> &str {
        self.get(setting).unwrap_or(setting.default)
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// Fails with `problem` if the variable is not set.
    pub fn require(&self, setting: &Setting, problem: &str) -> Result<&str, SettingError> {
        self.get(setting).ok_or_else(|| setting.missing(problem))
    }

    /// Returns the parsed value, or `None` if the variable is not set.
    ///
    /// # Errors
    ///
    /// Fails on a value that `T` does not accept.
    pub fn parse<T: FromStr>(&self, setting: &Setting) -> Result<Option<T>, SettingError> {
        self.get(setting)
            .map(|value| parse(setting, value))
            .transpose()
    }

    /// Returns the parsed value, or the parsed default of the table.
    ///
    /// # Errors
    ///
    /// Fails on a value that `T` does not accept.
    pub fn parse_or_default<T: FromStr>(&self, setting: &Setting) -> Result<T, SettingError> {
        parse(setting, self.get_or_default(setting))
    }

    /// Returns a duration, or the default of the table.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not an allowed duration.
    pub fn duration(&self, setting: &Setting) -> Result<Duration, SettingError> {
        let value = self.get_or_default(setting);
        parse_duration(value)
            .filter(|_| setting.allowed.accepts(value))
            .ok_or_else(|| setting.reject(value, setting.allowed.problem()))
    }

    /// Returns the meaning of the word that is set, or of the default of the table.
    ///
    /// # Errors
    ///
    /// Fails on a word that is not in `meanings`.
    pub fn choose<T: Copy>(
        &self,
        setting: &Setting,
        meanings: &[(&str, T)],
    ) -> Result<T, SettingError> {
        let value = self.get_or_default(setting);
        meanings
            .iter()
            .find(|(word, _)| *word == value)
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| setting.reject(value, Allowed::Choice(&[]).problem()))
    }

    /// Returns whether a switch is `on`.
    ///
    /// # Errors
    ///
    /// Fails on a value other than `on` and `off`.
    pub fn is_on(&self, setting: &Setting) -> Result<bool, SettingError> {
        self.choose(setting, &[("on", true), ("off", false)])
    }

    /// Checks words and durations of all settings that `program` reads, used or not.
    ///
    /// # Errors
    ///
    /// Fails on the first value whose syntax is not allowed.
    pub fn check(&self, program: Program) -> Result<(), SettingError> {
        ALL.iter()
            .filter(|setting| setting.readers.contains(&program))
            .try_for_each(|setting| self.check_one(setting))
    }

    /// Checks words and durations of all settings.
    ///
    /// # Errors
    ///
    /// Fails on the first value whose syntax is not allowed.
    pub fn check_all(&self) -> Result<(), SettingError> {
        ALL.iter().try_for_each(|setting| self.check_one(setting))
    }

    /// Checks the word or the duration of one setting.
    ///
    /// # Errors
    ///
    /// Fails on a value whose syntax is not allowed.
    pub fn check_one(&self, setting: &Setting) -> Result<(), SettingError> {
        match self.get(setting) {
            Some(value) if !setting.allowed.accepts(value) => {
                Err(setting.reject(value, setting.allowed.problem()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns all pairs of name and value, in alphabetical order.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

fn parse<T: FromStr>(setting: &Setting, value: &str) -> Result<T, SettingError> {
    let parsed = value.parse().ok();
    parsed
        .filter(|_| setting.allowed.accepts(value))
        .ok_or_else(|| setting.reject(value, setting.allowed.problem()))
}

/// Login shells set `MAIL` to the file of the user's mailbox, which is not meant for this project.
fn clean(name: &str, value: &str) -> Option<String> {
    let value = value.trim();
    let is_mailbox = name == crate::MAIL.name() && value.starts_with('/');
    (!value.is_empty() && !is_mailbox).then(|| value.to_owned())
}

/// Returns all variables of this process, for a library that reads variables itself.
pub fn process_variables() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    })
}

/// Reads one setting of this process.
///
/// ```
/// assert_eq!(settings::read(&settings::ORDERFLOW_DB_INSTANCE), None);
/// ```
pub fn read(setting: &'static Setting) -> Option<String> {
    let value = env::var(setting.name()).ok()?;
    clean(setting.name(), &value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LOG_FORMAT, MAIL, MAIL_DELAY, REPORT_EVERY, SAMPLE_CART, STRIPE_API_BASE};

    #[test]
    fn unset_variable_has_its_default() {
        let environment = Environment::from_pairs([("MAIL_DELAY", " ")]);
        assert_eq!(environment.get(&MAIL_DELAY), None);
        assert_eq!(
            environment.duration(&MAIL_DELAY),
            Ok(Duration::from_secs(15))
        );
        assert_eq!(environment.is_on(&SAMPLE_CART), Ok(false));
        assert_eq!(
            environment.get_or_default(&STRIPE_API_BASE),
            "https://api.stripe.com"
        );
    }

    #[test]
    fn bad_value_is_rejected_with_allowed_values() {
        for (name, value, message) in [
            (
                "SAMPLE_CART",
                "yes",
                "SAMPLE_CART=yes: unknown value; allowed: on, off",
            ),
            (
                "REPORT_EVERY",
                "0s",
                "REPORT_EVERY=0s: not a duration above zero; allowed: a duration above zero, such as 15m",
            ),
            (
                "PAYMENT_TIMEOUT",
                "soon",
                "PAYMENT_TIMEOUT=soon: not a duration; allowed: a duration such as 500ms, 3s, 15m, 24h or 14d",
            ),
        ] {
            let error = Environment::from_pairs([(name, value)]).check_all();
            assert_eq!(error.unwrap_err().to_string(), message);
        }
        let environment = Environment::from_pairs([("REPORT_EVERY", "0s"), ("LOG_FORMAT", "xml")]);
        assert!(environment.duration(&REPORT_EVERY).is_err());
        assert!(environment.choose(&LOG_FORMAT, &[("json", ())]).is_err());
        assert!(environment.check(Program::Web).is_err());
        let environment = Environment::from_pairs([("REPORT_EVERY", "0s")]);
        assert!(environment.check(Program::Web).is_ok());
    }

    #[test]
    fn mailbox_of_a_login_shell_is_ignored() {
        let environment = Environment::from_pairs([("MAIL", "/var/mail/app")]);
        assert_eq!(environment.get(&MAIL), None);
    }
}
