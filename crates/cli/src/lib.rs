//! The program `orderflow`: the local stack, orders from the command line, and what an operator needs.
//!
//! Start reading at [`args`]; `stack` runs the local stack, which lives in the crate `devstack`, `api` is
//! its HTTP API, `orders` are that API's callers.

mod api;
mod api_key;
mod args;
mod demo;
mod orders;
mod stack;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::{Arguments, Command};

/// What the program does; the tests have a twin of it.
#[must_use]
pub fn main() -> ExitCode {
    match load_settings().and_then(|()| run(Arguments::parse().command)) {
        Ok(code) => code,
        Err(error) => {
            // One line, whatever the causes are made of.
            let text = format!("{error:#}");
            eprintln!("error: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
            ExitCode::FAILURE
        }
    }
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

#[tokio::main]
async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(arguments) => stack::up(arguments).await,
        Command::Demo => demo::demo().await,
        Command::Down => stack::down().await,
        Command::Restart { service } => stack::restart(service).await,
        Command::Ps { json } => stack::ps(json).await,
        Command::Logs(arguments) => stack::logs(arguments).await,
        Command::Env => stack::env(),
        Command::Reset { yes } => stack::reset(yes).await,
        Command::Order(command) => return orders::run(command).await,
        Command::ApiKey(command) => api_key::run(command),
        Command::Serve { service } => stack::serve(service).await,
        Command::Supervise(arguments) => stack::supervise(arguments).await,
    }
    .map(|()| ExitCode::SUCCESS)
}
