//! Any of the functions, for the tests: the first argument says which.

use std::{env, process::ExitCode};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("start") => start::run().await,
        Some("signal") => signal::run().await,
        Some("query") => query::run().await,
        Some("events") => events::run().await,
        other => {
            eprintln!("error: there is no function {other:?}");
            ExitCode::FAILURE
        }
    }
}
