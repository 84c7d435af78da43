//! The loop of a Lambda function.

use std::{convert::Infallible, process::ExitCode};

use lambda_http::{Body, Request, Response, service_fn};

use crate::configure_auth;
use settings::SettingError;

/// A function: what it is set up with, and how it answers.
pub trait Application: Sized + Sync {
    /// Fails on a setting that is not allowed; not on a Temporal or a database that is away.
    fn from_env() -> Result<Self, SettingError>;

    /// Connects ahead of the first call. What fails now is tried again then.
    fn warm_up(&self) -> impl Future<Output = ()> + Send;

    /// Answers one call, also where it fails.
    fn handle(&self, request: Request) -> impl Future<Output = Response<Body>> + Send;
}

/// The program of a function: serves calls until Lambda ends the sandbox.
pub async fn run<A: Application>() -> ExitCode {
    // Beside `cargo lambda watch` there may be one; in Lambda there is none. Nothing else runs yet that could read
    // the environment while it changes.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return failed(&error);
    }
    if let Err(error) = telemetry::init() {
        return failed(&error);
    }
    let application = match configure_auth().and_then(|()| A::from_env()) {
        Ok(application) => application,
        Err(error) => return failed(&error),
    };
    application.warm_up().await;
    let application = &application;
    let serve =
        service_fn(|request| async move { Ok::<_, Infallible>(application.handle(request).await) });
    match lambda_http::run(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

/// One line on standard error: there a bad setting is seen by whoever started the program.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
