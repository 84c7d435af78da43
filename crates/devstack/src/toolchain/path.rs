//! Finds programs that the user has installed.

use std::{env, path::PathBuf};

/// Returns the first file with this name in the folders of `PATH`.
pub(super) fn find_on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
}
