//! `env`.

use anyhow::Result;
use devstack::{Project, settings};

/// Prints the running stack's settings for a shell.
pub(crate) fn env() -> Result<()> {
    let addresses = Project::here()?.state()?.addresses;
    let mut variables = vec![
        ("DATABASE_URL", &addresses.database_url),
        ("TEMPORAL_ADDRESS", &addresses.temporal_address),
        ("TEMPORAL_NAMESPACE", &addresses.temporal_namespace),
        ("ORDERFLOW_URL", &addresses.http_url),
        ("ORDERFLOW_METRICS_URL", &addresses.metrics_url),
        ("ORDERFLOW_WORKER_METRICS_URL", &addresses.worker_health_url),
    ];
    if addresses.database_folder.is_some() {
        variables.push((settings::LOCAL_DATABASE, &addresses.database_url));
    }
    for (name, value) in [("ORDERFLOW_MAIL_URL", &addresses.mail_url), ("SMTP_URL", &addresses.smtp_url)] {
        variables.extend(value.as_ref().map(|value| (name, value)));
    }
    let sender = std::env::var("MAIL_FROM").unwrap_or_else(|_| settings::LOCAL_SENDER.to_owned());
    if let Some(url) = &addresses.smtp_url {
        variables.extend([(settings::LOCAL_SMTP, url), ("MAIL_FROM", &sender)]);
    }
    for (name, value) in variables {
        println!("export {name}='{}'", value.replace('\'', r"'\''"));
    }
    Ok(())
}
