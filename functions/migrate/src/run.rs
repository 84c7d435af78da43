//! The main loop on Lambda.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::Value;

use crate::{AnswerSender, Handler, Invocation, Release};

/// Runs the function until Lambda ends its sandbox. Settings are read for each request, so that a wrong
/// one is a response to CloudFormation.
pub async fn run() -> ExitCode {
    if let Err(error) = telemetry::init() {
        eprintln!("error: {error}");
    }
    let answers = match AnswerSender::new() {
        Ok(answers) => answers,
        Err(error) => {
            eprintln!("error: failed to set up HTTP: {error}");
            return ExitCode::FAILURE;
        }
    };
    let handler = &Handler::new(answers);
    let serve = service_fn(async |event: LambdaEvent<Value>| {
        let invocation = describe_invocation(&event.context);
        let work = Release::new(&event.context.request_id);
        handler.handle(event.payload, &invocation, work).await
    });
    match lambda_runtime::run(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn describe_invocation(context: &Context) -> Invocation {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let deadline = Duration::from_millis(context.deadline);
    Invocation {
        time_left: deadline.saturating_sub(now.unwrap_or_default()),
        log_group: context.env_config.log_group.clone(),
    }
}
