//! The main loop of a Lambda function.

use std::{convert::Infallible, process::ExitCode, time::Duration};

use lambda_http::{Body, Request, Response, service_fn};

use crate::{Access, Function, ROUTES, auth, configure_auth, configure_cors};
use settings::SettingError;

/// Limits how long a response waits for a secret that is being read again. A read takes 20 to
/// 100 ms. It runs since the beginning of the call, so most responses do not wait.
const READ_LIMIT: Duration = Duration::from_millis(300);

/// A Lambda function: its set-up and its request handler.
pub trait Application: Sized + Sync {
    /// The name of the function in its traces.
    const SERVICE: &'static str;

    /// The function in the route table.
    const FUNCTION: Function;

    /// Reads the settings and prepares the clients.
    ///
    /// # Errors
    ///
    /// A setting is invalid. An unavailable Temporal or database is not an error here.
    fn from_env() -> Result<Self, SettingError>;

    /// Connects before the first request. A failed connection is tried again by that request.
    fn warm_up(&self) -> impl Future<Output = ()> + Send;

    /// Handles one request; a failure is a problem response.
    fn handle(&self, request: Request) -> impl Future<Output = Response<Body>> + Send;
}

/// Runs a function: handles requests until Lambda ends the sandbox.
pub async fn run<A: Application>() -> ExitCode {
    // An `.env` file can exist under `cargo lambda watch`, never in Lambda. No other thread runs
    // yet, so none reads the environment while it changes.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return report_error(&error);
    }
    if let Err(error) = telemetry::init_with_traces(A::SERVICE) {
        return report_error(&error);
    }
    // A function with public routes only needs no keys of callers. It would reject any other route.
    let configured = if has_private_route(A::FUNCTION) {
        configure_auth()
    } else {
        Ok(())
    };
    let configured = configured.and_then(|()| configure_cors());
    let application = match configured.and_then(|()| A::from_env()) {
        Ok(application) => application,
        Err(error) => return report_error(&error),
    };
    tokio::join!(auth::warm_up_auth(), application.warm_up());
    let application = &application;
    let serve = service_fn(|request| async move {
        let response = application.handle(request).await;
        // Lambda freezes the sandbox after the response.
        tokio::join!(telemetry::flush_traces(), aws::finish_reads(READ_LIMIT));
        Ok::<_, Infallible>(response)
    });
    match lambda_http::run(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report_error(&*error),
    }
}

fn has_private_route(function: Function) -> bool {
    ROUTES.iter().any(|route| {
        route.operation.function() == function && route.operation.access() != Access::Public
    })
}

/// Prints one line on standard error, where the person who started the program sees it.
fn report_error(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_with_public_routes_only_need_no_keys() {
        let private: Vec<_> = Function::ALL
            .into_iter()
            .filter(|function| has_private_route(*function))
            .collect();
        assert_eq!(
            private,
            [
                Function::Start,
                Function::Signal,
                Function::Query,
                Function::Events,
                Function::Admin
            ]
        );
    }
}
