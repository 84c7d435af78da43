//! Starts the function on Lambda; what it does is the library's.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    orderflow_http::run::<web::App>().await
}
