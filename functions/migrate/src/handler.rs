//! The handling of one request: decide, work within the time limit, respond.

use std::{fmt::Display, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::timeout;

use crate::{Action, AnswerSender, Failure, Request};

/// The time that is kept for the response.
const RESERVE: Duration = Duration::from_secs(60);

/// Limits the end of the work's sessions in the database.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The work of a release.
pub trait Work: Send + Sync + 'static {
    /// Does the work and describes it in one sentence. It must be safe to repeat.
    fn run(&self) -> impl Future<Output = Result<String, Failure>> + Send;

    /// Ends work that takes too long, so that nothing of it goes on afterwards.
    fn stop(&self) -> impl Future<Output = ()> + Send;
}

/// Lambda's part of a request.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The time until Lambda ends the function.
    pub time_left: Duration,
    pub log_group: String,
}

/// Responds to requests of CloudFormation.
#[derive(Debug, Clone)]
pub struct Handler {
    answers: AnswerSender,
}

impl Handler {
    pub fn new(answers: AnswerSender) -> Self {
        Self { answers }
    }

    /// Handles a request. Each result of the work is a response to CloudFormation, not an error.
    ///
    /// # Errors
    ///
    /// When the event names no address for the response, or the response was not delivered. Lambda then
    /// repeats the invocation, which is safe.
    pub async fn handle(
        &self,
        event: Value,
        invocation: &Invocation,
        work: impl Work,
    ) -> Result<(), String> {
        let request: Request = serde_json::from_value(event)
            .map_err(|error| log_error(format!("not a request of CloudFormation: {error}")))?;
        let result = match request.action() {
            Action::Migrate => run_within(work, invocation).await,
            Action::Nothing(reason) => Ok(reason.to_owned()),
            Action::Reject => Err(Failure::new(
                format!("unknown request type {:?}", request.request_type),
                "release again",
            )),
        };
        let kind = request.request_type.as_str();
        let result = match result {
            Ok(text) => {
                tracing::info!(request.kind = kind, "{text}");
                Ok(text)
            }
            Err(failure) => {
                tracing::error!(request.kind = kind, "{}", failure.detail());
                Err(failure.reason(&invocation.log_group))
            }
        };
        let result = result
            .as_ref()
            .map_or_else(|text| Err(text.as_str()), |text| Ok(text.as_str()));
        self.answers
            .send(&request, result)
            .await
            .map_err(|failure| {
                log_error(format!(
                    "the response to CloudFormation was not delivered: {failure}"
                ))
            })
    }
}

/// Runs the work in a separate task, so that a panic is a failure, and stops it before Lambda ends the
/// function.
async fn run_within(work: impl Work, invocation: &Invocation) -> Result<String, Failure> {
    let work = Arc::new(work);
    let limit = invocation.time_left.saturating_sub(RESERVE);
    let mut task = tokio::spawn({
        let work = Arc::clone(&work);
        async move { work.run().await }
    });
    match timeout(limit, &mut task).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Failure::new(
            "the function has failed because of a bug",
            "roll back to the previous release, and report the log",
        )),
        Err(_) => {
            task.abort();
            if timeout(STOP_TIMEOUT, work.stop()).await.is_err() {
                tracing::warn!("the sessions in the database did not end within {STOP_TIMEOUT:?}");
            }
            Err(Failure::new(
                format!(
                    "the migrations took more than {} minutes; those that are complete stay applied",
                    limit.as_secs() / 60
                ),
                "run the long statement by hand (docs/runbook.md, \"A migration failed\"), then release again",
            ))
        }
    }
}

fn log_error(text: impl Display) -> String {
    let text = text.to_string();
    tracing::error!("{text}");
    text
}

#[cfg(test)]
mod tests;
