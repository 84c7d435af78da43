//! The secrets that sign, where the API finds its own: the file, the environment, the running stack.

use anyhow::{Result, bail};

use crate::target::read_stack_setting;
use domain::WebhookProvider;
use payment_webhooks::{Secrets, secrets_setting};
use settings::{Setting, WEBHOOK_SECRETS_FILE, WEBHOOK_URL_SQUARE};

/// The provider's secrets, and for Square the URL that it signs. Nothing of a secret is in an error.
pub(super) fn find_secrets(provider: WebhookProvider) -> Result<(Secrets, Option<String>)> {
    let setting = secrets_setting(provider);
    let name = setting.name();
    let Some(list) = find_value(setting)? else {
        bail!(
            "there is no secret to sign with as {provider}: set {name} as it is set where the API runs; with a local \
             stack, `eval \"$(orderflow env)\"`"
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
    let of_file = match file {
        Some(path) => of_file(&path, setting.name())?,
        None => None,
    };
    Ok(of_file
        .or_else(|| settings::read(setting))
        .or_else(|| read_stack_setting(setting)))
}

fn of_file(path: &str, name: &str) -> Result<Option<String>> {
    let lines = dotenvy::from_path_iter(path)
        .map_err(|_| WEBHOOK_SECRETS_FILE.reject(path, "the file cannot be read"))?;
    // What is wrong with a line is not shown: a secret may stand in it.
    let lines = lines.collect::<Result<Vec<_>, _>>().ok();
    let lines = lines.ok_or_else(|| {
        WEBHOOK_SECRETS_FILE.reject(
            path,
            "expected lines such as WEBHOOK_SECRETS_STRIPE=whsec_…",
        )
    })?;
    Ok(lines
        .into_iter()
        .find(|(known, value)| known == name && !value.is_empty())
        .map(|(_, value)| value))
}
