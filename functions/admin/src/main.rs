//! Runs the function on Lambda.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    orderflow_http::run::<admin::App>().await
}
