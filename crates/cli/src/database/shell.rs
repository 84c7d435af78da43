//! `db shell`.

use std::{
    io::ErrorKind,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::{child::exit_code_of, target};

/// Runs psql and returns its exit code.
pub(crate) fn open_shell(arguments: &[String]) -> Result<ExitCode> {
    let url = target::database_url().context(
        "database: none is configured; start the stack with `orderflow up`, or set DATABASE_URL",
    )?;
    let mut url: Url = store::normalize_database_url(&url)
        .parse()
        .context("DATABASE_URL: not a URL")?;
    let mut psql = Command::new("psql");
    // Through the environment, because other users of the machine can read arguments.
    if let Some(password) = url.password() {
        psql.env(
            "PGPASSWORD",
            percent_decode_str(password)
                .decode_utf8_lossy()
                .into_owned(),
        );
    }
    // This fails only for a URL without a host, which has no password.
    let _ = url.set_password(None);
    match psql.arg(url.as_str()).args(arguments).status() {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "psql: not installed, and not part of the local stack's PostgreSQL; \
             install it (Debian: postgresql-client), or use `orderflow db \"select …\"`"
        ),
        Err(error) => Err(error).context("failed to start psql"),
        Ok(status) => Ok(exit_code_of(status)),
    }
}
