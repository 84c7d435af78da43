//! The steps of one API call with their times, for its log line and its `Server-Timing` header.
//!
//! The steps belong to the task that answers the call. A step in another task is not recorded.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    time::{Duration, Instant},
};

use crate::metrics;

tokio::task_local! {
    static STEPS: RefCell<Steps>;
}

/// The steps of one call in the order of their first end. The times of a repeated step are added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn add(&mut self, name: &'static str, took: Duration) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += took,
            None => self.0.push((name, took)),
        }
    }

    /// Returns the time of all steps of one kind, such as `temporal` or `store`; `None` without such a step.
    pub fn milliseconds(&self, kind: &str) -> Option<f64> {
        let is_of = |name: &str| {
            name.strip_prefix(kind)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let of_kind: Vec<_> = self.0.iter().filter(|(name, _)| is_of(name)).collect();
        (!of_kind.is_empty()).then(|| milliseconds(of_kind.iter().map(|(_, took)| *took).sum()))
    }

    /// Returns the value of a `Server-Timing` header.
    pub fn to_server_timing(&self, total: Duration) -> String {
        let mut text = String::new();
        for (name, took) in self.0.iter().chain([&("total", total)]) {
            let separator = if text.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{name};dur={:.1}", milliseconds(*took));
        }
        text
    }
}

/// Formats the steps with milliseconds: `parse 0.1, temporal.start 11.9`.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, took)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {:.1}", milliseconds(*took))?;
        }
        Ok(())
    }
}

/// Returns milliseconds, rounded to a hundredth.
pub(crate) fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 100_000.0).round() / 100.0
}

/// Runs the task of one call and returns its result with the recorded steps.
pub async fn collect_steps<F: Future>(answer: F) -> (F::Output, Steps) {
    let mut call = std::pin::pin!(STEPS.scope(RefCell::default(), answer));
    let output = call.as_mut().await;
    let steps = call
        .take_value()
        .map(RefCell::into_inner)
        .unwrap_or_default();
    (output, steps)
}

/// A running step. It ends when it is dropped, so a cancelled step is counted too.
#[derive(Debug)]
#[must_use = "the step ends when this value is dropped"]
pub struct Step {
    name: &'static str,
    began: Instant,
}

/// Starts a step of the call that this task answers.
pub fn start_step(name: &'static str) -> Step {
    Step {
        name,
        began: Instant::now(),
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        record_step(self.name, self.began.elapsed());
    }
}

/// Adds a step to the call that this task answers, if it answers one.
pub(crate) fn record_step(name: &'static str, took: Duration) {
    let is_call = STEPS.try_with(|steps| {
        if let Ok(mut steps) = steps.try_borrow_mut() {
            steps.add(name, took);
        }
    });
    if is_call.is_ok() {
        metrics::observe_http_step(name, took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn call_collects_only_its_own_steps() {
        let answer = async {
            drop(start_step("parse"));
            record_step("temporal.describe", Duration::from_micros(1_250));
            record_step("temporal.describe", Duration::from_millis(1));
            7
        };
        let (output, steps) = collect_steps(answer).await;
        assert_eq!((output, steps.0.len()), (7, 2));
        assert_eq!(steps.milliseconds("temporal"), Some(2.25));
        assert_eq!(steps.milliseconds("temp"), None);
        assert!(
            steps.to_string().starts_with("parse 0.")
                && steps.to_string().ends_with(", temporal.describe 2.2")
        );
        let header = steps.to_server_timing(Duration::from_millis(3));
        assert!(
            header.ends_with(", temporal.describe;dur=2.2, total;dur=3.0"),
            "{header}"
        );
        record_step("outside", Duration::ZERO);
        assert_eq!(collect_steps(async {}).await.1, Steps::default());
    }
}
