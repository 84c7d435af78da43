//! A Temporal dev server: `temporal` on the PATH, else the SDK's own download, else built from a pinned Go module.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};

use super::{go, sdk};
use crate::{folder, progress::Progress};

/// The path of a program whose `server start-dev` runs a Temporal server.
pub async fn obtain_temporal(progress: &Progress) -> Result<PathBuf> {
    if let Some(found) = find_temporal()? {
        return Ok(found);
    }
    let cache = folder::cache_folder()?;
    let _lock = folder::lock_file(&cache.join("temporal.lock"), progress).await?;
    // Whoever held the lock may have been getting it for us.
    if let Some(found) = cached(&cache) {
        return Ok(found);
    }
    progress
        .report("Temporal: there is no `temporal` on the PATH; downloading the dev server once");
    let download = match sdk::download(&cache, progress).await {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let download = download.root_cause().to_string();
    progress.report(format!("Temporal: the download failed ({download})"));
    match go::build_temporal(&cache, progress).await {
        Ok(program) => Ok(program),
        Err(build) => Err(anyhow!(
            "there is no Temporal dev server (the download failed: {download}; the build from the Go module failed: \
             {build:#}): put the `temporal` CLI on the PATH, or open the way to https://temporal.download, or install \
             Go 1.25 or later with access to a Go module proxy"
        )),
    }
}

/// Returns the path of the `temporal` CLI that the stack uses, if it is on the PATH or in the cache.
///
/// # Errors
///
/// Returns an error if the cache folder cannot be created.
pub fn find_temporal() -> Result<Option<PathBuf>> {
    match find_on_path("temporal") {
        Some(found) => Ok(Some(found)),
        None => Ok(cached(&folder::cache_folder()?)),
    }
}

fn cached(cache: &Path) -> Option<PathBuf> {
    [sdk::destination(cache), go::program_path(cache)]
        .into_iter()
        .find(|program| program.is_file())
}

/// The first file of that name in the folders of `PATH`.
pub(super) fn find_on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
}
