//! The webhook secrets, read as the API reads them: from the file, the environment or the running
//! stack.

use anyhow::{Result, bail};

use crate::target::read_stack_setting;
use domain::WebhookProvider;
use payment_webhooks::{Secrets, secrets_setting};
use settings::{Setting, WEBHOOK_SECRETS_FILE, WEBHOOK_URL_SQUARE};

/// Returns the provider's secrets, and for Square the URL that it signs. No error contains a
/// secret.
pub(super) fn find_secrets(provider: WebhookProvider) -> Result<(Secrets, Option<String>)> {
    let setting = secrets_setting(provider);
    let name = setting.name();
    let Some(list) = find_value(setting)? else {
        bail!(
            "{name}: not set, so an event of {provider} cannot be signed; set it to the API's value, or run \
             `eval \"$(orderflow env)\"` with a local stack"
        );
    };
    let secrets = Secrets::parse(provider, &list)
        .map_err(|error| setting.reject(&list, error.to_string()))?;
    let url = if provider == WebhookProvider::Square {
        find_value(&WEBHOOK_URL_SQUARE)?
    } else {
        None
    };
    Ok((secrets, url))
}

fn find_value(setting: &'static Setting) -> Result<Option<String>> {
    let file =
        settings::read(&WEBHOOK_SECRETS_FILE).or_else(|| read_stack_setting(&WEBHOOK_SECRETS_FILE));
    let from_file = match file {
        Some(path) => file_value(&path, setting.name())?,
        None => None,
    };
    Ok(from_file
        .or_else(|| settings::read(setting))
        .or_else(|| read_stack_setting(setting)))
}

fn file_value(path: &str, name: &str) -> Result<Option<String>> {
    let lines = dotenvy::from_path_iter(path)
        .map_err(|_| WEBHOOK_SECRETS_FILE.reject(path, "the file cannot be read"))?;
    // The parse error is not shown, because the line may contain a secret.
    let lines = lines.collect::<Result<Vec<_>, _>>().ok();
    let lines = lines.ok_or_else(|| {
        WEBHOOK_SECRETS_FILE.reject(
            path,
            "expected lines such as WEBHOOK_SECRETS_STRIPE=whsec_…",
        )
    })?;
    Ok(lines
        .into_iter()
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value))
}
