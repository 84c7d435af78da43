//! The program `orderflow`: the local stack, orders from the command line, and an operator's tools.
//!
//! Start reading at [`args`]. The folders are:
//!
//! - `stack`: the local stack, which the crate `devstack` implements;
//! - `gateway`: the HTTP API of the local stack;
//! - `orders`: commands that call the HTTP API and Temporal;
//! - `providers`: webhook events of payment providers;
//! - `money`: money that an operator must act on;
//! - `database`: queries, stock, checks, migrations, purges and backups;
//! - `snapshot`: RDS snapshots in AWS;
//! - `acceptance`: the demo, the acceptance scenarios, the load generator and the benchmark.

mod acceptance;
mod api_key;
mod args;
mod child;
mod confirmation;
mod database;
mod endpoints;
mod gateway;
mod help;
mod json_file;
mod manual;
mod money;
mod orders;
mod output;
mod providers;
mod quotes;
mod snapshot;
mod stack;
mod target;
mod value_parsers;

use std::{io, process::ExitCode};

use anyhow::{Context, Result};
use clap::{FromArgMatches, error::ErrorKind};
use clap_complete::Shell;

use crate::args::{Arguments, Command};
use settings::Environment;

/// Runs the program. The system tests call this function from their own binary.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = help::program()
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let command = match parsed {
        Ok(arguments) => arguments.command,
        Err(error) => return report_usage_error(&error),
    };
    match load_env_file()
        .and_then(|()| check_settings(&command))
        .and_then(|()| run(command))
    {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", join_lines(&format!("{error:#}"), " "));
            ExitCode::FAILURE
        }
    }
}

/// Prints a requested help page, or a usage error as one line.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_help {
        // A closed pipe, as of `| head`, is not an error.
        if let Err(error) = error.print()
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            eprintln!("error: failed to write to standard output: {error}");
            return ExitCode::FAILURE;
        }
    } else {
        eprintln!("{}", join_lines(&error.to_string(), "; "));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Joins the lines of each paragraph with spaces, and the paragraphs with `separator`.
fn join_lines(text: &str, separator: &str) -> String {
    let join = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split("\n\n")
        .map(join)
        .filter(|paragraph| !paragraph.is_empty())
        .collect::<Vec<_>>()
        .join(separator)
}

/// Reads `.env` into the environment. Must run before other threads exist, since they could read
/// the environment at the same time.
fn load_env_file() -> Result<()> {
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => {
            Err(error).context("failed to read .env; correct that line or remove the file")
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Rejects bad values, and warns about variables that look like a misspelled setting.
///
/// All settings are checked, because commands start programs that read them. `serve` and `supervise`
/// run in such a program and log the warnings.
fn check_settings(command: &Command) -> Result<()> {
    if matches!(
        command,
        Command::Completions { .. } | Command::Manual | Command::Down
    ) {
        return Ok(());
    }
    let environment = Environment::from_process();
    environment.check_all()?;
    domain::resolve_policy(None, &environment)?;
    if !matches!(command, Command::Serve { .. } | Command::Supervise(_)) {
        for misspelling in settings::find_misspellings() {
            eprintln!("warning: {misspelling}");
        }
    }
    Ok(())
}

/// Prints the completion script from memory, because clap's generator panics on a write error.
fn print_completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::program(), "orderflow", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}

#[tokio::main]
async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(arguments) => stack::start_stack(arguments).await,
        Command::Down => stack::stop_stack().await,
        Command::Restart { service } => stack::restart_services(service).await,
        Command::Ps(output) => stack::show_services(output.json).await,
        Command::Logs(arguments) => stack::show_logs(arguments).await,
        Command::Env(output) => stack::env(output),
        Command::Reset { yes } => stack::reset_stack(yes).await,
        Command::Temporal { arguments } => return stack::run_temporal(&arguments),
        Command::Order(command) => return orders::run(command).await,
        Command::ApiKey(command) => api_key::run(command),
        Command::Quote(command) => quotes::run(command),
        Command::Database(command) => return database::run(command).await,
        Command::Snapshot { command } => snapshot::run(command).await,
        Command::Acceptance(command) => return acceptance::run(command).await,
        Command::Provider(command) => providers::run(command).await,
        Command::Endpoint(command) => endpoints::run(command).await,
        Command::Money { command } => money::run(command).await,
        Command::Completions { shell } => print_completions(shell),
        Command::Manual => manual::print_manual(),
        Command::Serve { service } => stack::serve_service(service).await,
        Command::Health { service } => stack::check_service_health(service).await,
        Command::Supervise(arguments) => stack::supervise_stack(arguments).await,
    }
    .map(|()| ExitCode::SUCCESS)
}
