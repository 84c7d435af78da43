//! A program that runs a Temporal development server: `temporal` on the PATH, else the release, else
//! a build of the pinned Go module.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::{go, path::find_on_path, release};
use crate::{folder, progress::Progress};

/// Returns the path of the `temporal` program.
pub async fn obtain_temporal(progress: &Progress) -> Result<PathBuf> {
    if let Some(found) = find_temporal()? {
        return Ok(found);
    }
    let cache = folder::cache_folder()?;
    let _lock = folder::lock_file(&cache.join("temporal.lock"), progress).await?;
    // The process that held the lock may have installed it.
    if let Some(found) = cached(&cache) {
        return Ok(found);
    }
    progress.report("Temporal: `temporal` is not on the PATH; downloading it (once)");
    let download = match release::download_temporal(&cache, progress).await {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let download = download.root_cause().to_string();
    progress.report(format!("Temporal: the download failed ({download})"));
    match go::build_temporal(&cache, progress).await {
        Ok(program) => Ok(program),
        Err(build) => Err(anyhow!(
            "failed to install Temporal (download: {download}; build of the Go module: {build:#}); put the \
             `temporal` CLI on the PATH, or allow access to https://github.com, or install Go 1.25 or later \
             with access to a Go module proxy"
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
    [release::program_path(cache), go::program_path(cache)]
        .into_iter()
        .find(|program| program.is_file())
}
