//! Runs the function that the first argument names, for the tests.

use std::{env, process::ExitCode};

use orderflow_http::run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("start") => run::<start::App>().await,
        Some("signal") => run::<signal::App>().await,
        Some("query") => run::<query::App>().await,
        Some("events") => run::<events::App>().await,
        Some("admin") => run::<admin::App>().await,
        Some("webhook") => run::<webhook::App>().await,
        Some("web") => run::<web::App>().await,
        Some("migrate") => migrate::run().await,
        other => {
            eprintln!("error: unknown function {other:?}");
            ExitCode::FAILURE
        }
    }
}
