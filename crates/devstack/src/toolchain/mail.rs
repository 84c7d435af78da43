//! A mail server that stores mails and shows them on a web page: `mailpit` on the PATH, else MailDev.
//!
//! MailDev's package on npm contains its web page. Mailpit's Go module does not, so a build of it
//! would have no web page.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::path::find_on_path;
use crate::{
    folder,
    process::guard::{Guard, GuardOptions},
    progress::Progress,
};

const VERSION: &str = "2.2.1";
const PACKAGE: &str = include_str!("../../maildev/package.json");
const LOCK: &str = include_str!("../../maildev/package-lock.json");
const REMEDY: &str = "put `mailpit`, or `node` (18 or later) and `npm`, on the PATH";

/// A program that accepts mails.
#[derive(Clone, Debug)]
pub enum MailProgram {
    Mailpit(PathBuf),
    MailDev {
        node: PathBuf,
        script: PathBuf,
        /// The folder of its packages, for a test that needs the SMTP server only.
        packages: PathBuf,
    },
}

/// Returns `mailpit` from the PATH, else MailDev.
pub async fn obtain_mail_server(progress: &Progress) -> Result<MailProgram> {
    match find_on_path("mailpit") {
        Some(program) => Ok(MailProgram::Mailpit(program)),
        None => obtain_maildev(progress).await,
    }
}

/// Returns MailDev, which is installed once into the cache with the versions of its lock file.
pub async fn obtain_maildev(progress: &Progress) -> Result<MailProgram> {
    let Some(node) = find_on_path("node") else {
        bail!("`node` is not on the PATH; {REMEDY}")
    };
    let cache = folder::cache_folder()?;
    let home = cache.join(format!("maildev-{VERSION}"));
    if !script(&home).is_file() {
        let _lock = folder::lock_file(&cache.join("maildev.lock"), progress).await?;
        // The process that held the lock may have installed it.
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
        bail!("`npm` is not on the PATH; {REMEDY}")
    };
    progress.report(format!(
        "mail: installing MailDev {VERSION} from npm (once)"
    ));
    // A renamed folder, so that an interrupted installation leaves no incomplete one.
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
    let guard = Guard::spawn(&GuardOptions::tool("npm", command, &log))?;
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
    progress.report(format!("mail: stored in {}", home.display()));
    Ok(())
}
