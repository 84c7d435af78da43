//! Builds Temporal's development server from a pinned Go module, for networks that allow package
//! registries only.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::path::find_on_path;
use crate::{
    process::guard::{Guard, GuardOptions},
    progress::Progress,
};

/// The newest version that builds outside its repository: later ones have a nested `replace`.
const VERSION: &str = "v1.5.1";
const GO_MOD: &str = include_str!("../../temporal-cli/go.mod");
const GO_SUM: &str = include_str!("../../temporal-cli/go.sum");

pub(super) fn program_path(cache: &Path) -> PathBuf {
    cache.join("go").join(format!("temporal-{VERSION}"))
}

/// Builds the program and moves it into the cache, so that an interrupted build leaves no incomplete
/// program.
pub(super) async fn build_temporal(cache: &Path, progress: &Progress) -> Result<PathBuf> {
    let Some(go) = find_on_path("go") else {
        bail!("`go` is not on the PATH");
    };
    let program = program_path(cache);
    let folder = cache.join("go");
    let output = folder.join("bin");
    fs::create_dir_all(&output)
        .with_context(|| format!("failed to create {}", output.display()))?;
    fs::write(folder.join("go.mod"), GO_MOD).context("failed to write go.mod")?;
    fs::write(folder.join("go.sum"), GO_SUM).context("failed to write go.sum")?;

    progress.report(format!(
        "Temporal: building {VERSION} from its Go module, once; this takes 2 to 6 minutes"
    ));
    let started = Instant::now();
    let log = folder.join("build.log");
    let _ = fs::remove_file(&log);
    // The guard stops the build when this process is killed; it would use two cores for minutes.
    let guard = Guard::spawn(&GuardOptions {
        name: "go".to_owned(),
        command: vec![
            go.into(),
            "-C".into(),
            folder.clone().into(),
            "install".into(),
            "tool".into(),
        ],
        environment: [
            ("GOBIN", output.display().to_string().as_str()),
            // The user's flags and workspace would change the build. `-s` omits 80 MB of symbols.
            ("GOFLAGS", "-buildvcs=false -ldflags=-s -mod=readonly"),
            ("GOWORK", "off"),
            ("CGO_ENABLED", "0"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec(),
        removed_environment: Vec::new(),
        log: log.clone(),
        user: None,
        stop_signal: "TERM",
        grace_period: Duration::from_secs(2),
        remove_folder: None,
    })?;
    let status = progress
        .report_while(|| "Temporal: building".to_owned(), guard.wait_for_exit())
        .await;
    if !status.is_some_and(|status| status.success()) {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        bail!(
            "`go install tool` failed: {} (see {})",
            last.unwrap_or("no output"),
            log.display()
        );
    }
    fs::rename(output.join("temporal"), &program)
        .with_context(|| format!("failed to move the program to {}", program.display()))?;
    progress.report(format!(
        "Temporal: built in {} s, stored in {}",
        started.elapsed().as_secs(),
        program.display()
    ));
    Ok(program)
}
