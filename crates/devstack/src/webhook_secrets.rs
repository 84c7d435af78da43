//! Secrets of payment providers' webhooks, made up for one stack: so that a notification can be signed and sent to it
//! without an account at any provider.

use std::{collections::BTreeMap, env, fs, io};

use anyhow::{Context, Result};

use crate::{folder, project::Project};
use domain::WebhookProvider;
use payment_webhooks::{SQUARE_URL, made_up, secrets_variable};

/// What the API is told of webhooks; what the user sets stays the user's, and is not repeated here.
pub(crate) fn webhook_environment(
    project: Option<&Project>,
    http_url: &str,
) -> Result<Vec<(String, String)>> {
    let secrets = match project {
        Some(project) => kept(project)?,
        None => complete(BTreeMap::new()),
    };
    let square = (SQUARE_URL.to_owned(), format!("{http_url}/webhooks/square"));
    Ok(secrets
        .into_iter()
        .chain([square])
        .filter(|(name, ours)| !is_the_users(name, ours))
        .collect())
}

/// Set to something else. The same text comes from an `orderflow env` of this stack.
fn is_the_users(name: &str, ours: &str) -> bool {
    env::var(name).is_ok_and(|value| !value.trim().is_empty() && value != ours)
}

/// Those of this project: made up at its first start, the same from then on.
fn kept(project: &Project) -> Result<BTreeMap<String, String>> {
    let file = project.webhooks_file();
    let known = match fs::read_to_string(&file) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", file.display()));
        }
    };
    let secrets = complete(known.clone());
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

/// One for each provider: also for one that a later release brings.
fn complete(mut secrets: BTreeMap<String, String>) -> BTreeMap<String, String> {
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
    fn the_secrets_of_a_project_are_made_up_once_and_nobody_else_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::from_root(folder.path());
        fs::create_dir(project.folder()).unwrap();
        let first = kept(&project).unwrap();
        assert_eq!(first.len(), WebhookProvider::ALL.len());
        assert_eq!(kept(&project).unwrap(), first);
        let mode = fs::metadata(project.webhooks_file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        // A provider that came later.
        let lines = fs::read_to_string(project.webhooks_file()).unwrap();
        let shorter: String = lines
            .lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(project.webhooks_file(), shorter).unwrap();
        let again = kept(&project).unwrap();
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
        // Another stack has others.
        assert!(
            complete(BTreeMap::new())
                .iter()
                .all(|(name, secret)| first[name] != *secret)
        );
    }
}
