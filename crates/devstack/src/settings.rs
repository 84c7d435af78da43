//! The environment of worker and API in the local stack.

use std::env;

use crate::stack::StackAddresses;

/// Set by `orderflow env` to the stack's own database, so that a later `up` in the same shell knows it from a foreign one.
pub const LOCAL_DATABASE: &str = "ORDERFLOW_LOCAL_DATABASE_URL";

/// Set by `orderflow env` to where the stack's worker sends mails, for the same reason.
pub const LOCAL_SMTP: &str = "ORDERFLOW_LOCAL_SMTP_URL";

/// Whom the local stack's mails are from.
pub const LOCAL_SENDER: &str = "Orderflow <orders@shop.example>";

/// What a user may set; we only fill the gaps.
const DEFAULTS: [(&str, &str); 5] = [
    ("SAMPLE_CART", "on"),
    ("ALLOW_PROFILE_OVERRIDE", "on"),
    ("DEFAULT_STOCK", "1000000"),
    ("LOG_LEVEL", "info"),
    ("WEBHOOK_ENVIRONMENT", "test"),
];

/// What a user may set besides, which worker and API find in the environment that they inherit. No secrets: these are shown.
const INHERITED: [&str; 27] = [
    "ORDER_TASK_QUEUE",
    "SHIPPING_TASK_QUEUE",
    "WORKER_QUEUES",
    "DELIVERY",
    "DELIVERY_ESTIMATE",
    "REVIEW",
    "REVIEW_THRESHOLD",
    "MANUAL_REVIEW_TIMEOUT",
    "REVIEW_ON_TIMEOUT",
    "PAYMENT",
    "PAYMENT_TIMEOUT",
    "PAYMENT_RETRY_FOR",
    "PAYMENT_PROCESSING_DELAY",
    "SHIPPING_DELAY",
    "COMPLETE_ON",
    "ORDER_DEADLINE",
    "READS",
    "ORDERS_LATE_AFTER",
    "REPORT_EVERY",
    "FLAKY",
    "PAYMENT_PROVIDER",
    "STRIPE_API_BASE",
    "API_AUTH",
    "RATE_LIMIT",
    "LOG_FORMAT",
    "WEBHOOK_SECRETS_FILE",
    "SETTLEMENT_GRACE",
];

/// All that worker and API are told, by us and by the user, for `orderflow env`.
pub(crate) fn list_settings(environment: &[(String, String)]) -> Vec<(String, String)> {
    let is_ours = |name: &str| environment.iter().any(|(ours, _)| ours == name);
    let set = |name: &str| {
        Some((
            name.to_owned(),
            env::var(name).ok().filter(|value| !value.is_empty())?,
        ))
    };
    let defaults = DEFAULTS
        .iter()
        .map(|(name, _)| *name)
        .chain(["ORDER_PROFILE"]);
    let inherited = INHERITED
        .into_iter()
        .chain(defaults)
        .filter(|name| !is_ours(name))
        .filter_map(set);
    environment.iter().cloned().chain(inherited).collect()
}

/// A database of the user's own, by `DATABASE_URL`.
pub(crate) fn external_database_url() -> Option<String> {
    let url = env::var("DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())?;
    (env::var(LOCAL_DATABASE).ok().as_deref() != Some(url.as_str())).then_some(url)
}

/// Mail as the user wants it, by `MAIL` or `SMTP_URL`: then the stack has no mail server of its own.
pub(crate) fn has_external_mail() -> bool {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    set("MAIL").is_some()
        || set("SMTP_URL").is_some_and(|url| set(LOCAL_SMTP).as_ref() != Some(&url))
}

/// The addresses are the stack's; everything else is the user's, else a default that needs no set-up.
pub(crate) fn service_environment(
    addresses: &StackAddresses,
    profile: Option<&str>,
) -> Vec<(String, String)> {
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    let mut environment: Vec<(String, String)> = [
        ("DATABASE_URL", addresses.database_url.clone()),
        ("TEMPORAL_ADDRESS", addresses.temporal_address.clone()),
        ("TEMPORAL_NAMESPACE", addresses.temporal_namespace.clone()),
        ("ORDERFLOW_HTTP_ADDRESS", host(&addresses.http_url)),
        ("ORDERFLOW_METRICS_ADDRESS", host(&addresses.metrics_url)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec();
    let mut set = |key: &str, value: &str| environment.push((key.to_owned(), value.to_owned()));
    let is_set = |key: &str| env::var_os(key).is_some_and(|value| !value.is_empty());
    if let Some(url) = &addresses.worker_health_url {
        set("ORDERFLOW_HEALTH_ADDRESS", &host(url));
    }
    match profile {
        Some(profile) => set("ORDER_PROFILE", profile),
        None if is_set("ORDER_PROFILE") => {}
        None => {
            set("ORDER_PROFILE", "production");
            // Nobody confirms deliveries on a developer's machine.
            if !is_set("DELIVERY") {
                set("DELIVERY", "auto:2s");
            }
        }
    }
    match &addresses.smtp_url {
        Some(url) => {
            set("MAIL", "smtp");
            set("SMTP_URL", url);
            if !is_set("MAIL_FROM") {
                set("MAIL_FROM", LOCAL_SENDER);
            }
        }
        None if has_external_mail() => {}
        None => set("MAIL", "off"),
    }
    for (key, value) in DEFAULTS {
        if !is_set(key) {
            set(key, value);
        }
    }
    environment
}
