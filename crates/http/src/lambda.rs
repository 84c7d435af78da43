//! The loop of a Lambda function.

use lambda_http::{Body, Error, Request, Response, service_fn};
use std::{convert::Infallible, fmt::Display, process::ExitCode};

/// Serves calls until Lambda ends the sandbox. `handle` answers all of them itself, also its failures.
pub async fn run<F, Fut>(handle: F) -> Result<(), Error>
where
    F: Fn(Request) -> Fut,
    Fut: Future<Output = Response<Body>> + Send,
{
    lambda_http::run(service_fn(|request| {
        let answer = handle(request);
        async move { Ok::<_, Infallible>(answer.await) }
    }))
    .await
}

/// How a program ends: a failure is one line on standard error.
pub fn exit<T>(result: Result<T, impl Display>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // There may be no subscriber yet, and a bad setting must be seen where the program was started.
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
