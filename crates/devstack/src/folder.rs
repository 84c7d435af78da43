//! Folders of the local stack: the cache, and folders that an unprivileged server user can access.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

/// The user id of `nobody`. PostgreSQL refuses to run as root, so root runs it as this user.
pub(crate) const UNPRIVILEGED: u32 = 65534;

/// Returns the user id for PostgreSQL if it must differ from the user of this process.
pub(crate) fn server_user() -> Option<u32> {
    is_root().then_some(UNPRIVILEGED)
}

fn is_root() -> bool {
    effective_user() == 0
}

fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the folder of downloaded and built programs: `ORDERFLOW_CACHE`, else
/// `XDG_CACHE_HOME/orderflow`, else `~/.cache/orderflow`.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let xdg = || std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty());
    let folder = if let Some(folder) = settings::read(&settings::ORDERFLOW_CACHE) {
        PathBuf::from(folder)
    } else if let Some(folder) = xdg() {
        Path::new(&folder).join("orderflow")
    } else if let Some(home) = std::env::home_dir() {
        home.join(".cache/orderflow")
    } else {
        bail!("the user has no home folder for the cache; set ORDERFLOW_CACHE to a folder");
    };
    let folder =
        std::path::absolute(folder).context("failed to make the path of the cache absolute")?;
    create_owned_folder(&folder)
        .with_context(|| "set ORDERFLOW_CACHE to a folder that you can write to".to_owned())?;
    Ok(folder)
}

/// Returns the cache for programs that the user of the database server must be able to read.
pub(crate) fn server_cache_folder() -> Result<PathBuf> {
    let usual = cache_folder()?;
    if !is_root() || is_reachable(&usual) {
        return Ok(usual);
    }
    // Other users cannot enter root's home folder.
    let shared = PathBuf::from("/var/cache/orderflow");
    create_owned_folder(&shared).with_context(
        || "set ORDERFLOW_CACHE to a folder that every user can enter and root can write to",
    )?;
    Ok(shared)
}

/// Returns the data folder of a project's database: in the state folder, unless the server's user
/// cannot access that.
pub(crate) fn database_folder(state: &Path) -> Result<PathBuf> {
    let usual = state.join("postgres");
    if !is_root() || state.parent().is_some_and(is_reachable) {
        return Ok(usual);
    }
    let shared = PathBuf::from("/var/lib/orderflow");
    create_owned_folder(&shared)?;
    Ok(shared.join(format!("postgres-{:016x}", hash_path(state))))
}

/// Returns a hash of the path. FNV-1a gives the same result with every compiler version.
pub(crate) fn hash_path(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Creates a folder that only its owner can write to and every user can enter. Rejects a folder of
/// another user, because programs are run from it.
pub(crate) fn create_owned_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let about = fs::metadata(folder)
        .with_context(|| format!("failed to read the attributes of {}", folder.display()))?;
    if about.uid() != effective_user() || about.mode() & 0o022 != 0 {
        bail!(
            "{}: another user owns this folder or can write to it; remove it",
            folder.display()
        );
    }
    Ok(())
}

/// Replaces a file by one that only its owner can read.
pub(crate) fn write_private_file(path: &Path, text: &str) -> io::Result<()> {
    // An existing file would keep its permissions, and other users might read it.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Creates a folder for the database that is owned by the server's user.
pub(crate) fn create_server_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    chown_to_server_user(folder)
}

/// Makes the server's user the owner if it differs from the user of this process.
pub(crate) fn chown_to_server_user(path: &Path) -> Result<()> {
    if let Some(user) = server_user() {
        chown(path, Some(user), Some(user)).with_context(|| {
            format!("failed to make uid {user} the owner of {}", path.display())
        })?;
    }
    Ok(())
}

/// Returns whether every user can enter this folder. Missing folders will be created accessible.
fn is_reachable(folder: &Path) -> bool {
    folder
        .ancestors()
        .filter_map(|ancestor| fs::metadata(ancestor).ok())
        .all(|about| about.permissions().mode() & 0o001 != 0)
}

/// Locks a file until the result is dropped. The kernel releases the lock even after `kill -9`.
pub(crate) async fn lock_file(path: &Path, progress: &Progress) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("failed to open the lock {}", path.display()))?;
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    progress.report(format!(
        "waiting for another process that has locked {}",
        path.display()
    ));
    let file = tokio::task::spawn_blocking(move || file.lock().map(|()| file))
        .await?
        .with_context(|| format!("failed to lock {}", path.display()))?;
    Ok(file)
}
