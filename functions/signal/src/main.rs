//! Starts the function on Lambda; its handler is the library.

use signal::{App, handle};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::init();
    match App::from_env() {
        Ok(app) => {
            app.warm_up().await;
            orderflow_http::exit(orderflow_http::run(async |request| handle(&app, request).await).await)
        }
        Err(error) => orderflow_http::exit(Err::<(), _>(error)),
    }
}
