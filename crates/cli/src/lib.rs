//! The program `orderflow`: the local stack, orders from the command line, and what an operator needs.
//!
//! Start reading at [`args`]; `stack` runs the local stack, which lives in the crate `devstack`, `api` is
//! its HTTP API, `orders` are that API's callers, `payment_events` are about payment
//! providers, `database` looks after what is stored, `snapshot` keeps it in AWS, `acceptance` takes
//! orders through everything and looks whether they end as they should.

mod acceptance;
mod api_key;
mod args;
mod database;
mod gateway;
mod manual;
mod orders;
mod output;
mod providers;
mod snapshot;
mod stack;
mod target;
mod value_parsers;

use std::{io, process::ExitCode};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, error::ErrorKind};
use clap_complete::Shell;

use crate::args::{Arguments, Command};

/// What the program does; the tests have a twin of it.
#[must_use]
pub fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => return not_understood(&error),
    };
    match load_settings().and_then(|()| run(command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", one_line(&format!("{error:#}"), " "));
            ExitCode::FAILURE
        }
    }
}

/// Help is what was asked for; anything else is a mistake, told in one line like every other.
fn not_understood(error: &clap::Error) -> ExitCode {
    let was_asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if was_asked_for {
        // A reader that has had enough is no failure.
        if let Err(error) = error.print()
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            eprintln!("error: failed to write to standard output: {error}");
            return ExitCode::FAILURE;
        }
    } else {
        eprintln!("{}", one_line(&error.to_string(), "; "));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Paragraphs side by side, whatever they are made of.
fn one_line(text: &str, between: &str) -> String {
    let paragraph = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split("\n\n")
        .map(paragraph)
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(between)
}

/// Before there are threads, which could read the environment while it changes.
fn load_settings() -> Result<()> {
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => {
            Err(error).context("failed to read .env; correct that line or remove the file")
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Into memory first: the generator panics where it cannot write.
fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "orderflow", &mut script);
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
        Command::Order(command) => return orders::run(command).await,
        Command::ApiKey(command) => api_key::run(command),
        Command::Database(command) => return database::run(command).await,
        Command::Snapshot { command } => snapshot::run(command).await,
        Command::Acceptance(command) => return acceptance::run(command).await,
        Command::PaymentEvent(command) => providers::run(command).await,
        Command::Completions { shell } => completions(shell),
        Command::Manual => manual::manual(),
        Command::Serve { service } => stack::serve_service(service).await,
        Command::Health { service } => stack::check_service_health(service).await,
        Command::Supervise(arguments) => stack::supervise_stack(arguments).await,
    }
    .map(|()| ExitCode::SUCCESS)
}
