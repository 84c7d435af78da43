//! Runs the function on Lambda. The library contains its logic.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    migrate::run().await
}
