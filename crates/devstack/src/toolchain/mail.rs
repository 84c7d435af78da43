//! A mail server that keeps what it gets, with a web page to look at it: `mailpit` on the PATH, else MailDev.
//!
//! MailDev comes from npm, since that is a package registry and its package has its web page in it. Mailpit's Go
//! module has not: building it would give a server without one.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::temporal::find_on_path;
use crate::{
    folder,
    guard::{Guard, GuardOptions},
    progress::Progress,
};

const VERSION: &str = "2.2.1";
const PACKAGE: &str = include_str!("../../maildev/package.json");
const LOCK: &str = include_str!("../../maildev/package-lock.json");
const REMEDY: &str = "put `mailpit`, or `node` (18 or later) and `npm`, on the PATH";

/// A program that takes mails.
#[derive(Clone, Debug)]
pub enum MailProgram {
    Mailpit(PathBuf),
    MailDev {
        node: PathBuf,
        script: PathBuf,
        /// Its packages, for a test that wants its SMTP server alone.
        packages: PathBuf,
    },
}

/// The first that there is.
pub async fn obtain_mail_server(progress: &Progress) -> Result<MailProgram> {
    match find_on_path("mailpit") {
        Some(program) => Ok(MailProgram::Mailpit(program)),
        None => obtain_maildev(progress).await,
    }
}

/// MailDev, installed once into the cache, as its lock file says.
pub async fn obtain_maildev(progress: &Progress) -> Result<MailProgram> {
    let Some(node) = find_on_path("node") else {
        bail!("there is no `node` on the PATH; {REMEDY}")
    };
    let cache = folder::cache_folder()?;
    let home = cache.join(format!("maildev-{VERSION}"));
    if !script(&home).is_file() {
        let _lock = folder::lock_file(&cache.join("maildev.lock"), progress).await?;
        // Whoever held the lock may have installed it for us.
        if !script(&home).is_file() {
            install(&cache, &home, progress).await?;
        }
    }
    Ok(MailProgram::MailDev {
        node,
        script: script(&home),
        packages: home.join("node_modules"),
    })
}

fn script(home: &Path) -> PathBuf {
    home.join("node_modules/maildev/bin/maildev")
}

async fn install(cache: &Path, home: &Path, progress: &Progress) -> Result<()> {
    let Some(npm) = find_on_path("npm") else {
        bail!("there is no `npm` on the PATH; {REMEDY}")
    };
    progress.report(format!("mail: installing MailDev {VERSION} from npm, once"));
    // Beside its place and renamed, so that an install that is killed leaves nothing that looks finished.
    let fresh = tempfile::tempdir_in(cache).context("failed to create a folder to install in")?;
    let folder = fresh.path().join("maildev");
    fs::create_dir(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    fs::write(folder.join("package.json"), PACKAGE).context("failed to write package.json")?;
    fs::write(folder.join("package-lock.json"), LOCK)
        .context("failed to write package-lock.json")?;
    let log = cache.join("maildev-install.log");
    let _ = fs::remove_file(&log);
    let mut command: Vec<OsString> = vec![
        npm.into(),
        "--prefix".into(),
        folder.clone().into(),
        "ci".into(),
    ];
    command.extend(["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"].map(Into::into));
    let guard = Guard::spawn(&GuardOptions {
        name: "npm".to_owned(),
        command,
        environment: Vec::new(),
        removed_environment: Vec::new(),
        log: log.clone(),
        user: None,
        stop_signal: "TERM",
        grace_period: Duration::from_secs(2),
        remove_folder: None,
    })?;
    let status = progress
        .report_while(
            || "mail: installing MailDev".to_owned(),
            guard.wait_for_exit(),
        )
        .await;
    if !status.is_some_and(|status| status.success()) {
        bail!("`npm ci` failed (see {}); {REMEDY}", log.display());
    }
    let _ = fs::remove_dir_all(home);
    fs::rename(&folder, home)
        .with_context(|| format!("failed to move MailDev to {}", home.display()))?;
    progress.report(format!("mail: kept in {}", home.display()));
    Ok(())
}
