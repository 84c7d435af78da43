//! The worker program; [`worker::run`] is what it does.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // A missing .env is no error, it is the ordinary case; one that cannot be read would be silently half of one.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        eprintln!("failed to read .env: {error}; correct that line or remove the file");
        return ExitCode::from(2);
    }
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
