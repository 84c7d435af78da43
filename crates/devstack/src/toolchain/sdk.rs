//! The dev server as the Temporal SDK downloads and caches it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use temporalio_sdk::testing::{
    EphemeralExe, EphemeralExeVersion, LocalWorkflowEnvironmentOptions, WorkflowEnvironment,
};
use tokio::time::timeout;

use crate::progress::Progress;

/// The same as the build from source makes, so that everybody tests against one server.
const VERSION: &str = "v1.5.1";
/// A network that is closed by dropping packets must not cost more than this.
const ANSWER: Duration = Duration::from_secs(8);
const DOWNLOAD: Duration = Duration::from_secs(15 * 60);

/// The file that the SDK leaves in its cache folder.
pub(super) fn destination(cache: &Path) -> PathBuf {
    cache.join("sdk").join(format!("temporal-{VERSION}"))
}

/// Lets the SDK download the server into our cache, without starting it.
pub(super) async fn download(cache: &Path, progress: &Progress) -> Result<PathBuf> {
    let program = destination(cache);
    let folder = cache.join("sdk");
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    // We hold the lock, so this is what a killed download left; the SDK would wait a minute for it.
    let partial = program.with_file_name(format!("temporal-{VERSION}.downloading"));
    let _ = fs::remove_file(&partial);
    // The SDK's HTTP client takes the process's default, and there is none before the first use.
    let _ = rustls::crypto::ring::default_provider().install_default();

    // The SDK downloads only in order to start. No process can have a NUL among its arguments, so the start fails
    // right after the download, before there is a server that a `kill -9` of ours could leave behind.
    let options = LocalWorkflowEnvironmentOptions::builder()
        .server_executable(EphemeralExe::CachedDownload {
            version: EphemeralExeVersion::Fixed(VERSION.to_owned()),
            dest_dir: Some(folder.display().to_string()),
            ttl: None,
        })
        .extra_args(vec!["\0".to_owned()])
        .build();
    let mut start = Box::pin(WorkflowEnvironment::start_local(options));

    // The partial file appears with the answer of the download server.
    let first = timeout(ANSWER, async {
        loop {
            tokio::select! {
                end = &mut start => return Some(end),
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    if partial.exists() {
                        return None;
                    }
                }
            }
        }
    })
    .await;
    let end = match first {
        Err(_) => bail!(
            "temporal.download did not answer within {} s",
            ANSWER.as_secs()
        ),
        Ok(Some(end)) => end,
        Ok(None) => {
            let size = || fs::metadata(&partial).map_or(0, |about| about.len() / 1_000_000);
            let line = || format!("Temporal: downloading, {} MB unpacked", size());
            let Ok(end) = timeout(DOWNLOAD, progress.report_while(line, start)).await else {
                let _ = fs::remove_file(&partial);
                bail!(
                    "the download took longer than {} minutes",
                    DOWNLOAD.as_secs() / 60
                );
            };
            end
        }
    };
    if program.is_file() {
        return Ok(program);
    }
    match end {
        Err(error) => Err(error).context("the SDK's download"),
        Ok(_) => bail!("the SDK left no file at {}", program.display()),
    }
}
