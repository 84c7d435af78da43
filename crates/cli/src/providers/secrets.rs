//! The secrets that sign, where the API finds its own: the file, the environment, the running stack.

use anyhow::{Context, Result, anyhow, bail};

use crate::target::{read_stack_setting, read_variable};
use domain::WebhookProvider;
use payment_webhooks::{SQUARE_URL, Secrets, secrets_variable};

const FILE: &str = "WEBHOOK_SECRETS_FILE";

/// The provider's secrets, and for Square the URL that it signs. Nothing of a secret is in an error.
pub(super) fn find_secrets(provider: WebhookProvider) -> Result<(Secrets, Option<String>)> {
    let name = secrets_variable(provider);
    let Some(list) = setting(&name)? else {
        bail!(
            "there is no secret to sign with as {provider}: set {name} as it is set where the API runs; with a local \
             stack, `eval \"$(orderflow env)\"`"
        );
    };
    let secrets = Secrets::parse(provider, &list)
        .map_err(|error| anyhow!("{name} is not allowed: {error}"))?;
    let url = if provider == WebhookProvider::Square {
        setting(SQUARE_URL)?
    } else {
        None
    };
    Ok((secrets, url))
}

fn setting(name: &str) -> Result<Option<String>> {
    let of_file = match read_variable(FILE).or_else(|| read_stack_setting(FILE)) {
        Some(path) => of_file(&path, name)?,
        None => None,
    };
    Ok(of_file
        .or_else(|| read_variable(name))
        .or_else(|| read_stack_setting(name)))
}

fn of_file(path: &str, name: &str) -> Result<Option<String>> {
    let lines = dotenvy::from_path_iter(path)
        .map_err(|_| anyhow!("{FILE}={path} must be a file that can be read"))?;
    // What is wrong with a line is not shown: a secret may stand in it.
    let lines = lines.collect::<Result<Vec<_>, _>>().ok();
    let lines = lines.with_context(|| {
        format!("{FILE}={path} must have lines like WEBHOOK_SECRETS_STRIPE=whsec_…")
    })?;
    Ok(lines
        .into_iter()
        .find(|(known, value)| known == name && !value.is_empty())
        .map(|(_, value)| value))
}
