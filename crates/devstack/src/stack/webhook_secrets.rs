//! Generates webhook secrets for one stack, so that a webhook event can be signed and sent to it without
//! an account at a payment provider.

use std::{collections::BTreeMap, fs, io};

use anyhow::{Context, Result};

use super::project::Project;
use crate::folder;
use domain::WebhookProvider;
use payment_webhooks::{SQUARE_URL, made_up, secrets_variable};

/// Returns the API's settings of webhooks, without the variables that the user has set.
pub(crate) fn webhook_environment(
    project: Option<&Project>,
    http_url: &str,
) -> Result<Vec<(String, String)>> {
    let secrets = match project {
        Some(project) => load_or_create(project)?,
        None => add_missing(BTreeMap::new()),
    };
    let square = (SQUARE_URL.to_owned(), format!("{http_url}/webhooks/square"));
    Ok(secrets
        .into_iter()
        .chain([square])
        .filter(|(name, ours)| !is_set_by_user(name, ours))
        .collect())
}

/// Returns whether the user has set another value. The same value comes from `orderflow env`.
fn is_set_by_user(name: &str, ours: &str) -> bool {
    settings::find(name)
        .and_then(settings::read)
        .is_some_and(|value| value != ours)
}

/// Returns the secrets of a project. They are generated at its first start and stored.
fn load_or_create(project: &Project) -> Result<BTreeMap<String, String>> {
    let file = project.webhooks_file();
    let known = match fs::read_to_string(&file) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", file.display()));
        }
    };
    let secrets = add_missing(known.clone());
    if secrets != known {
        let lines: String = secrets
            .iter()
            .map(|(name, secret)| format!("{name}={secret}\n"))
            .collect();
        let fresh = file.with_extension("new");
        folder::write_private_file(&fresh, &lines)
            .and_then(|()| fs::rename(&fresh, &file))
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(secrets)
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(name, secret)| (name.to_owned(), secret.to_owned()))
        .collect()
}

/// Adds a secret for each provider without one, for example a provider of a later release.
fn add_missing(mut secrets: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for provider in WebhookProvider::ALL {
        let fresh = || made_up(*provider, &rand::random());
        secrets
            .entry(secrets_variable(*provider))
            .or_insert_with(fresh);
    }
    secrets
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn project_secrets_are_private_and_generated_once() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::from_root(folder.path());
        fs::create_dir(project.folder()).unwrap();
        let first = load_or_create(&project).unwrap();
        assert_eq!(first.len(), WebhookProvider::ALL.len());
        assert_eq!(load_or_create(&project).unwrap(), first);
        let mode = fs::metadata(project.webhooks_file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        // The file of an earlier release lacks one provider.
        let lines = fs::read_to_string(project.webhooks_file()).unwrap();
        let shorter: String = lines
            .lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(project.webhooks_file(), shorter).unwrap();
        let again = load_or_create(&project).unwrap();
        assert_eq!(
            again.keys().collect::<Vec<_>>(),
            first.keys().collect::<Vec<_>>()
        );
        assert_eq!(
            again
                .iter()
                .filter(|(name, secret)| first[*name] == **secret)
                .count(),
            first.len() - 1
        );
        // Another stack has other secrets.
        assert!(
            add_missing(BTreeMap::new())
                .iter()
                .all(|(name, secret)| first[name] != *secret)
        );
    }
}
