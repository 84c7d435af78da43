//! The settings of worker and API in the local stack.

use super::addresses::StackAddresses;
use settings::{
    ALL, Environment, ORDERFLOW_LOCAL_DATABASE_URL, ORDERFLOW_LOCAL_SMTP_URL, Program, Setting,
};

/// The sender of the local stack's mails.
pub const LOCAL_SENDER: &str = "Orderflow <orders@shop.example>";

/// Prefixes of settings that the stack sets by itself, or that libraries read.
const NOT_INHERITED: [&str; 5] = ["AWS_", "DATABASE_", "NO_", "ORDERFLOW_", "TEMPORAL_"];

/// Returns all settings of worker and API, those of the stack and those of the user.
pub(crate) fn list_settings(environment: &[(String, String)]) -> Vec<(String, String)> {
    let of_user = Environment::from_process();
    let is_set_by_stack = |name: &str| environment.iter().any(|(known, _)| known == name);
    let inherited = ALL.iter().filter(|setting| is_inherited(setting));
    let inherited = inherited.filter_map(|setting| {
        let value = of_user.get(setting)?;
        Some((setting.name().to_owned(), value.to_owned()))
    });
    environment
        .iter()
        .cloned()
        .chain(inherited.filter(|(name, _)| !is_set_by_stack(name)))
        .collect()
}

/// Returns whether worker or API inherit a setting from the user. Secrets are not listed, because
/// `orderflow env` prints the list.
fn is_inherited(setting: &Setting) -> bool {
    let name = setting.name();
    let readers = setting.readers();
    !setting.is_secret()
        && (readers.contains(&Program::Worker) || readers.contains(&Program::Gateway))
        && !NOT_INHERITED.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the user's database, from `DATABASE_URL`.
pub(crate) fn external_database_url() -> Option<String> {
    let url = settings::read(&settings::DATABASE_URL)?;
    // `orderflow env` sets both variables to the database of the stack.
    (settings::read(&ORDERFLOW_LOCAL_DATABASE_URL).as_deref() != Some(url.as_str())).then_some(url)
}

/// Returns whether the user has set up mail with `MAIL` or `SMTP_URL`. The stack then starts no mail
/// server.
pub(crate) fn has_external_mail() -> bool {
    // `orderflow env` sets both variables to the mail server of the stack.
    let local = settings::read(&ORDERFLOW_LOCAL_SMTP_URL);
    settings::read(&settings::MAIL).is_some()
        || settings::read(&settings::SMTP_URL).is_some_and(|url| local.as_ref() != Some(&url))
}

/// Returns the variables that the stack sets for worker and API: its addresses, and a value for each
/// other setting that has a local value and that the user has not set.
pub(crate) fn service_environment(
    addresses: &StackAddresses,
    profile: Option<&str>,
) -> Vec<(String, String)> {
    let of_user = Environment::from_process();
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    let mut environment: Vec<(String, String)> = Vec::new();
    let mut set = |setting: &Setting, value: &str| {
        environment.push((setting.name().to_owned(), value.to_owned()));
    };
    set(&settings::DATABASE_URL, &addresses.database_url);
    set(&settings::TEMPORAL_ADDRESS, &addresses.temporal_address);
    set(&settings::TEMPORAL_NAMESPACE, &addresses.temporal_namespace);
    set(
        &settings::ORDERFLOW_HTTP_ADDRESS,
        &host(&addresses.http_url),
    );
    set(
        &settings::ORDERFLOW_METRICS_ADDRESS,
        &host(&addresses.metrics_url),
    );
    if let Some(url) = &addresses.worker_health_url {
        set(&settings::ORDERFLOW_HEALTH_ADDRESS, &host(url));
    }
    match profile {
        Some(profile) => set(&settings::ORDER_PROFILE, profile),
        None if of_user.get(&settings::ORDER_PROFILE).is_some() => {}
        None => {
            set(&settings::ORDER_PROFILE, "production");
            // On a developer's machine no carrier confirms deliveries.
            if of_user.get(&settings::DELIVERY).is_none() {
                set(&settings::DELIVERY, "auto:2s");
            }
        }
    }
    match &addresses.smtp_url {
        Some(url) => {
            set(&settings::MAIL, "smtp");
            set(&settings::SMTP_URL, url);
            if of_user.get(&settings::MAIL_FROM).is_none() {
                set(&settings::MAIL_FROM, LOCAL_SENDER);
            }
        }
        None if has_external_mail() => {}
        None => set(&settings::MAIL, "off"),
    }
    for setting in ALL {
        if let Some(value) = setting.local_value()
            && of_user.get(setting).is_none()
        {
            set(setting, value);
        }
    }
    environment
}
