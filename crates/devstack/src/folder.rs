//! Folders on this machine: the cache, and folders that an unprivileged server user can reach.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

/// Whom PostgreSQL runs as when we are root, which it refuses to run as: `nobody`, who owns nothing.
pub(crate) const UNPRIVILEGED: u32 = 65534;

/// The user that PostgreSQL must be run as, where that is not the one who runs this.
pub(crate) fn server_user() -> Option<u32> {
    is_root().then_some(UNPRIVILEGED)
}

fn is_root() -> bool {
    effective_user() == 0
}

fn effective_user() -> u32 {
    #[expect(unsafe_code, reason = "std has no call for the effective user")]
    // SAFETY: `geteuid` has no preconditions and cannot fail.
    unsafe {
        libc::geteuid()
    }
}

/// What is downloaded or built once: `ORDERFLOW_CACHE`, else `XDG_CACHE_HOME/orderflow`, else `~/.cache/orderflow`.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = if let Some(folder) = variable("ORDERFLOW_CACHE") {
        PathBuf::from(folder)
    } else if let Some(folder) = variable("XDG_CACHE_HOME") {
        Path::new(&folder).join("orderflow")
    } else if let Some(home) = std::env::home_dir() {
        home.join(".cache/orderflow")
    } else {
        bail!("there is no home folder for the cache; set ORDERFLOW_CACHE to a folder");
    };
    let folder = std::path::absolute(folder).context("the cache folder has no absolute path")?;
    create_owned_folder(&folder)
        .with_context(|| "set ORDERFLOW_CACHE to a folder that you can write".to_owned())?;
    Ok(folder)
}

/// The cache for what the user of the database server must be able to read.
pub(crate) fn server_cache_folder() -> Result<PathBuf> {
    let usual = cache_folder()?;
    if !is_root() || is_reachable(&usual) {
        return Ok(usual);
    }
    // Root's home is closed to others.
    let shared = PathBuf::from("/var/cache/orderflow");
    create_owned_folder(&shared).with_context(
        || "set ORDERFLOW_CACHE to a folder that every user can enter and root can write",
    )?;
    Ok(shared)
}

/// Where the database of the stack of one project lives: in its state folder, unless the server's user cannot get there.
pub(crate) fn database_folder(state: &Path) -> Result<PathBuf> {
    let usual = state.join("postgres");
    if !is_root() || state.parent().is_some_and(is_reachable) {
        return Ok(usual);
    }
    let shared = PathBuf::from("/var/lib/orderflow");
    create_owned_folder(&shared)?;
    Ok(shared.join(format!("postgres-{:016x}", hash_path(state))))
}

/// A number that stands for a path; FNV-1a, so that it is the same with every compiler.
pub(crate) fn hash_path(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Creates a folder that only its owner writes and everybody may enter, and checks that it is ours: programs are run from it.
pub(crate) fn create_owned_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let about =
        fs::metadata(folder).with_context(|| format!("failed to look at {}", folder.display()))?;
    if about.uid() != effective_user() || about.mode() & 0o022 != 0 {
        bail!(
            "{} is owned or writable by somebody else; remove it",
            folder.display()
        );
    }
    Ok(())
}

/// Writes a file anew that only its owner can read.
pub(crate) fn write_private_file(path: &Path, text: &str) -> io::Result<()> {
    // One that is there may be readable by others, and would stay so.
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

/// Creates an empty folder for the database, owned by the user that the server runs as.
pub(crate) fn create_server_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    chown_to_server_user(folder)
}

/// Makes the server's user the owner, where it is another one.
pub(crate) fn chown_to_server_user(path: &Path) -> Result<()> {
    if let Some(user) = server_user() {
        chown(path, Some(user), Some(user))
            .with_context(|| format!("failed to hand {} to uid {user}", path.display()))?;
    }
    Ok(())
}

/// Whether every user can get to this folder. What does not exist yet will be created open.
fn is_reachable(folder: &Path) -> bool {
    folder
        .ancestors()
        .filter_map(|ancestor| fs::metadata(ancestor).ok())
        .all(|about| about.permissions().mode() & 0o001 != 0)
}

/// Holds a lock file until it is dropped; the kernel lets go of it even after `kill -9`.
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
        "waiting for another process that holds {}",
        path.display()
    ));
    let file = tokio::task::spawn_blocking(move || file.lock().map(|()| file))
        .await?
        .with_context(|| format!("failed to lock {}", path.display()))?;
    Ok(file)
}
