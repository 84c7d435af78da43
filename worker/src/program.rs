//! The program `worker`: without arguments it runs the worker, and `worker health` checks a running
//! worker.

use std::{env, process::ExitCode};

use crate::{SERVICE, WorkerSettings, health_check, run};

const USAGE: &str = "usage: worker         serve the task queues until SIGTERM
       worker health  ask the worker that listens at ORDERFLOW_HEALTH_ADDRESS: 0 it is well, 1 it is not";

/// The main function of the program. The tests have a copy of the program.
#[must_use]
pub fn main() -> ExitCode {
    // A missing .env file is normal. A file that cannot be read is an error, because half of it
    // would be ignored silently.
    // Before the first thread starts, because another thread could read the environment while it
    // changes.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        eprintln!("failed to read .env: {error}; correct that line or remove the file");
        return ExitCode::from(2);
    }
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [] => run_worker(),
        [only] if only == "health" => check_health(),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run_worker() -> ExitCode {
    let settings = match read_settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the worker failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read_settings() -> Result<WorkerSettings, Box<dyn std::error::Error>> {
    telemetry::init_with_traces(SERVICE)?;
    Ok(WorkerSettings::from_env()?)
}

/// Runs every few seconds as long as the worker lives, so it sets up no more than one request
/// needs.
#[tokio::main(flavor = "current_thread")]
async fn check_health() -> ExitCode {
    match health_check(&settings::ORDERFLOW_HEALTH_ADDRESS).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(unhealthy) => {
            eprintln!("{:#}", anyhow::Error::from(unhealthy));
            ExitCode::FAILURE
        }
    }
}
