//! Variables that look like a misspelled setting.

use crate::{ALL, environment::process_variables, find};

/// Prefixes that belong to this project alone: each unknown name is reported.
const OWN_PREFIXES: [&str; 3] = ["ORDERFLOW_", "WEBHOOK_SECRETS_", "SETTLEMENT_"];

/// Prefixes that other programs use too: a name is reported only if it is close to a setting.
const SHARED_PREFIXES: [&str; 17] = [
    "ALLOW_",
    "DATABASE_",
    "DELIVERY_",
    "JWT_",
    "LOG_",
    "MAIL_",
    "MANUAL_",
    "ORDER_",
    "ORDERS_",
    "PAYMENT_",
    "REVIEW_",
    "SHIPPING_",
    "SMTP_",
    "STRIPE_",
    "TEMPORAL_",
    "WEBHOOK_",
    "WORKER_",
];

/// The number of wrong, missing or additional letters up to which a name is close to a setting.
const CLOSE: usize = 2;

/// A variable that no program reads, with the setting that was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelling {
    /// The name of the variable.
    pub name: String,
    /// The name of the most similar setting.
    pub nearest: &'static str,
}

impl std::fmt::Display for Misspelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: no program reads this variable; the most similar setting is {}",
            self.name, self.nearest
        )
    }
}

/// Returns the variables of this process that look like a misspelled setting.
pub fn find_misspellings() -> Vec<Misspelling> {
    process_variables()
        .filter_map(|(name, _)| check_name(name))
        .collect()
}

fn check_name(name: String) -> Option<Misspelling> {
    let has_prefix = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let is_own = has_prefix(&OWN_PREFIXES);
    if find(&name).is_some() || !(is_own || has_prefix(&SHARED_PREFIXES)) {
        return None;
    }
    let (distance, nearest) = ALL
        .iter()
        .map(|setting| (edit_distance(&name, setting.name()), setting.name()))
        .min()?;
    (is_own || distance <= CLOSE).then_some(Misspelling { name, nearest })
}

/// Returns the Levenshtein distance in bytes; names of settings are ASCII.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_setting_names_the_nearest_one() {
        for (name, nearest) in [
            ("PAYMENT_TIMEOUTS", "PAYMENT_TIMEOUT"),
            ("WEBHOOK_SECRET_STRIPE", "WEBHOOK_SECRETS_STRIPE"),
            ("ORDERFLOW_APIKEY", "ORDERFLOW_API_KEY"),
            ("LOG_LEVELS", "LOG_LEVEL"),
            ("TEMPORAL_ADDRESSES", "TEMPORAL_ADDRESS"),
        ] {
            let found = check_name(name.to_owned()).unwrap();
            assert_eq!((found.name.as_str(), found.nearest), (name, nearest));
        }
    }

    #[test]
    fn known_and_foreign_variables_are_not_reported() {
        for name in [
            "PAYMENT_TIMEOUT",
            "PATH",
            "API_KEY",
            "MAIL",
            "MAILCHECK",
            "MAIL_HOST",
            "STRIPE_DEVICE_NAME",
            "TEMPORAL_CODEC_ENDPOINT",
            "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
            "LOG_DIR",
            "SMTP_USER",
            "DATABASE_NAME",
        ] {
            assert_eq!(check_name(name.to_owned()), None, "{name}");
        }
    }
}
