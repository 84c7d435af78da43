//! Temporal's server for a database and its SQL tool, from the pinned Go module.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::go;
use crate::{folder, progress::Progress};

/// The programs of Temporal's server.
#[derive(Clone, Debug)]
pub struct ServerPrograms {
    /// The server with all its services.
    pub server: PathBuf,
    /// The program that creates and migrates the tables.
    pub sql_tool: PathBuf,
}

/// Returns the programs. The first call builds them, which takes minutes.
///
/// # Errors
///
/// Returns an error if Go is missing or the build fails.
pub async fn obtain_temporal_server(progress: &Progress) -> Result<ServerPrograms> {
    let cache = folder::cache_folder()?;
    let (server, sql_tool) = go::server_paths(&cache);
    let is_built = || server.is_file() && sql_tool.is_file();
    if !is_built() {
        let _lock = folder::lock_file(&cache.join("temporal-server.lock"), progress).await?;
        // The process that held the lock may have built them.
        if !is_built() {
            go::build_server(&cache, progress).await.context(
                "failed to build Temporal's server; install Go 1.26 or later with access to a Go \
                 module proxy, or use the development server",
            )?;
        }
    }
    Ok(ServerPrograms { server, sql_tool })
}
