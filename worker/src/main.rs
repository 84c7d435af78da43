//! The worker program; [`worker::run`] is what it does.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // A missing .env is no error, it is the ordinary case.
    let _ = dotenvy::dotenv();
    let settings = match settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match worker::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the worker failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn settings() -> Result<worker::WorkerSettings, Box<dyn std::error::Error>> {
    telemetry::init()?;
    Ok(worker::WorkerSettings::from_env()?)
}
