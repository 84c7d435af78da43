//! `temporal`: Temporal's own CLI, connected to the stack.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{child::exit_code_of, target};
use devstack::toolchain;

/// Runs the `temporal` CLI and returns its exit code.
///
/// The CLI is the one on the PATH, else the one that the stack downloaded or built. Its address and
/// namespace are those of the other commands: the environment's, else the running stack's.
pub(crate) fn run_temporal(arguments: &[OsString]) -> Result<ExitCode> {
    let program = toolchain::find_temporal()?.context(
        "temporal: the CLI is neither on the PATH nor in the cache of the local stack; \
         start the stack once with `orderflow up`, which downloads it",
    )?;
    let settings = target::temporal_settings()?;
    // The CLI takes HOST:PORT only; our setting may also be a URL.
    let address = settings.address();
    let address = address
        .split_once("://")
        .map_or(address, |(_, address)| address);
    let status = Command::new(&program)
        .args(arguments)
        .env("TEMPORAL_ADDRESS", address)
        .env("TEMPORAL_NAMESPACE", settings.namespace())
        .status()
        .with_context(|| format!("failed to start {}", program.display()))?;
    Ok(exit_code_of(status))
}
