//! Builds Temporal's servers from pinned Go modules, for networks that allow package registries only.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use super::path::find_on_path;
use crate::{
    process::guard::{Guard, GuardOptions},
    progress::Progress,
};

/// A Go module whose `tool` lines are programs to build.
struct Module {
    /// The name in progress messages.
    title: &'static str,
    version: &'static str,
    /// The folder of the build, in the cache.
    folder: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    /// The name of each program after the build, and its name in the cache before the version.
    programs: &'static [(&'static str, &'static str)],
}

/// The development server. This is the newest version that builds outside its repository: later ones
/// have a nested `replace`.
const DEVELOPMENT_SERVER: Module = Module {
    title: "Temporal",
    version: "v1.5.1",
    folder: "go",
    go_mod: include_str!("../../temporal-cli/go.mod"),
    go_sum: include_str!("../../temporal-cli/go.sum"),
    programs: &[("temporal", "temporal")],
};

/// The server for a database, and the program that creates its tables.
const SERVER: Module = Module {
    title: "Temporal's server",
    version: SERVER_VERSION,
    folder: "go-server",
    go_mod: include_str!("../../temporal-server/go.mod"),
    go_sum: include_str!("../../temporal-server/go.sum"),
    programs: &[("server", "temporal-server"), ("sql", "temporal-sql-tool")],
};

/// The version of the server for a database.
pub const SERVER_VERSION: &str = "v1.32.0";

impl Module {
    /// Returns the paths of the programs in the cache.
    fn paths(&self, cache: &Path) -> Vec<PathBuf> {
        let folder = cache.join(self.folder);
        let path = |(_, name): &(&str, &str)| folder.join(format!("{name}-{}", self.version));
        self.programs.iter().map(path).collect()
    }

    /// Builds the programs and moves them into the cache, so that an interrupted build leaves no
    /// incomplete program.
    async fn build(&self, cache: &Path, progress: &Progress) -> Result<()> {
        let Self { title, version, .. } = self;
        let Some(go) = find_on_path("go") else {
            bail!("`go` is not on the PATH");
        };
        let folder = cache.join(self.folder);
        let output = folder.join("bin");
        fs::create_dir_all(&output)
            .with_context(|| format!("failed to create {}", output.display()))?;
        fs::write(folder.join("go.mod"), self.go_mod).context("failed to write go.mod")?;
        fs::write(folder.join("go.sum"), self.go_sum).context("failed to write go.sum")?;

        progress.report(format!(
            "{title}: building {version} from its Go module, once; this takes 2 to 6 minutes"
        ));
        let started = Instant::now();
        let log = folder.join("build.log");
        let _ = fs::remove_file(&log);
        // The guard stops the build when this process is killed; it would use two cores for minutes.
        let command = vec![
            go.into(),
            "-C".into(),
            folder.clone().into(),
            "install".into(),
            "tool".into(),
        ];
        let guard = Guard::spawn(&GuardOptions {
            environment: [
                ("GOBIN", output.display().to_string().as_str()),
                // The user's flags and workspace would change the build. `-s` omits 80 MB of symbols.
                ("GOFLAGS", "-buildvcs=false -ldflags=-s -mod=readonly"),
                ("GOWORK", "off"),
                ("CGO_ENABLED", "0"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec(),
            ..GuardOptions::tool("go", command, &log)
        })?;
        let built = guard.wait_for_success("`go install tool`", &log);
        progress
            .report_while(|| format!("{title}: building"), built)
            .await?;
        let paths = self.paths(cache);
        for ((built, _), path) in self.programs.iter().zip(&paths) {
            fs::rename(output.join(built), path)
                .with_context(|| format!("failed to move the program to {}", path.display()))?;
        }
        progress.report(format!(
            "{title}: built in {} s, stored in {}",
            started.elapsed().as_secs(),
            folder.display()
        ));
        Ok(())
    }
}

/// Returns the path of the development server.
pub(super) fn program_path(cache: &Path) -> PathBuf {
    DEVELOPMENT_SERVER.paths(cache).swap_remove(0)
}

/// Builds the development server.
pub(super) async fn build_temporal(cache: &Path, progress: &Progress) -> Result<PathBuf> {
    DEVELOPMENT_SERVER.build(cache, progress).await?;
    Ok(program_path(cache))
}

/// Returns the paths of the server for a database and of its SQL tool.
pub(super) fn server_paths(cache: &Path) -> (PathBuf, PathBuf) {
    let mut paths = SERVER.paths(cache);
    let tool = paths.swap_remove(1);
    (paths.swap_remove(0), tool)
}

/// Builds the server for a database and its SQL tool.
pub(super) async fn build_server(cache: &Path, progress: &Progress) -> Result<()> {
    SERVER.build(cache, progress).await
}
