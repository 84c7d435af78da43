//! The state folder of a project's stack, and its lock.

use std::{
    env,
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::addresses::StackAddresses;
use crate::folder;

/// A running stack, as other commands read it from the state folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StackState {
    /// The process id of the supervisor.
    pub supervisor_pid: u32,
    /// The addresses of all services.
    pub addresses: StackAddresses,
    /// The settings of worker and API.
    #[serde(default)]
    pub settings: Vec<(String, String)>,
}

/// The state folder `.orderflow` of one project.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// Returns the project of the current folder: the nearest parent with a state folder, else the
    /// nearest parent with a `Cargo.lock`, else the current folder.
    pub fn from_current_folder() -> Result<Self> {
        let current = env::current_dir().context("failed to find the current folder")?;
        let with = |name: &str| {
            current
                .ancestors()
                .find(|folder| folder.join(name).exists())
        };
        let root = with(".orderflow").or_else(|| with("Cargo.lock"));
        Ok(Self::from_root(root.unwrap_or(&current)))
    }

    /// Returns the project in this folder.
    #[must_use]
    pub fn from_root(root: &Path) -> Self {
        Self {
            folder: root.join(".orderflow"),
        }
    }

    /// Returns the state folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder of the logs, with one file for each service.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Returns the log file of one service, or of the `supervisor`.
    #[must_use]
    pub fn log(&self, service: &str) -> PathBuf {
        self.logs().join(format!("{service}.log"))
    }

    /// Returns the file of the generated webhook secrets.
    pub(crate) fn webhooks_file(&self) -> PathBuf {
        self.folder.join("webhooks.env")
    }

    pub(crate) fn temporal_file(&self) -> PathBuf {
        self.folder.join("temporal.db")
    }

    /// Returns the path of the supervisor's socket. Such a path is limited to about 100 bytes.
    pub(crate) fn socket(&self) -> PathBuf {
        let usual = self.folder.join("control.sock");
        if usual.as_os_str().len() < 100 {
            return usual;
        }
        let name = format!("orderflow-{:016x}.sock", folder::hash_path(&self.folder));
        env::temp_dir().join(name)
    }

    /// Locks the project until the file is dropped; returns `None` if another process has locked it.
    /// The kernel releases the lock when its process ends, so a lock is never stale.
    pub fn try_lock(&self) -> Result<Option<File>> {
        DirBuilder::new()
            .recursive(true)
            // The server's user must be able to enter; the database's folder has stricter permissions.
            .mode(0o711)
            .create(&self.folder)
            .with_context(|| format!("failed to create {}", self.folder.display()))?;
        let path = self.folder.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("failed to open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("failed to lock {}", path.display()))
            }
        }
    }

    /// Returns whether a supervisor has locked this project.
    pub fn is_running(&self) -> Result<bool> {
        if !self.folder.join("lock").exists() {
            return Ok(false);
        }
        Ok(self.try_lock()?.is_none())
    }

    /// Returns the state that the last supervisor wrote. The file remains if the supervisor was killed.
    pub(crate) fn read_last_state(&self) -> Option<StackState> {
        let text = fs::read_to_string(self.state_file()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Returns the state of the running stack. Fails if no stack is running.
    pub fn read_state(&self) -> Result<StackState> {
        if !self.is_running()? {
            bail!("the stack is not running; start it with `orderflow up`");
        }
        self.read_last_state()
            .context("the stack is still starting; wait for it with `orderflow up`")
    }

    pub(crate) fn write_state(&self, state: &StackState) -> Result<()> {
        let file = self.state_file();
        let fresh = file.with_extension("new");
        let text = serde_json::to_string_pretty(state).context("failed to write the state")?;
        // The file contains passwords and secrets of this stack.
        folder::write_private_file(&fresh, &text)
            .and_then(|()| fs::rename(&fresh, &file))
            .with_context(|| format!("failed to write {}", file.display()))
    }

    pub(crate) fn remove_state(&self) {
        // The files do not exist after a regular stop.
        let _ = fs::remove_file(self.state_file());
        let _ = fs::remove_file(self.socket());
    }

    /// Removes all data of a stack that is not running.
    pub fn remove_data(&self) -> Result<()> {
        let Some(_lock) = self.try_lock()? else {
            bail!("the stack is running; stop it with `orderflow down`");
        };
        self.remove_state();
        let database = folder::database_folder(&self.folder)?;
        for folder in [&database, &self.folder] {
            if folder.exists() {
                fs::remove_dir_all(folder)
                    .with_context(|| format!("failed to remove {}", folder.display()))?;
            }
        }
        Ok(())
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("state.json")
    }
}
