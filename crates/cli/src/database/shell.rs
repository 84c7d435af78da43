//! `db shell`.

use std::{
    io::ErrorKind,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::target;

/// Runs psql until it ends, with its own exit code.
pub(crate) fn open_shell(arguments: &[String]) -> Result<ExitCode> {
    let url = target::database_url().context(
        "there is no database: start the stack with `orderflow up`, or set DATABASE_URL",
    )?;
    let mut url: Url = store::normalize_database_url(&url)
        .parse()
        .context("DATABASE_URL is no URL")?;
    let mut psql = Command::new("psql");
    // By the environment: other users of the machine see arguments.
    if let Some(password) = url.password() {
        psql.env(
            "PGPASSWORD",
            percent_decode_str(password)
                .decode_utf8_lossy()
                .into_owned(),
        );
    }
    // A URL without a host has no password either.
    let _ = url.set_password(None);
    match psql.arg(url.as_str()).args(arguments).status() {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "psql is not installed, and the local stack's PostgreSQL comes without it: \
             install it (Debian: postgresql-client), or use `orderflow db \"select …\"`"
        ),
        Err(error) => Err(error).context("failed to start psql"),
        Ok(status) => Ok(status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from)),
    }
}
