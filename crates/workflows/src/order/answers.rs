//! The outcomes of requests with an `Idempotency-Key`. Temporal returns the first outcome for a
//! repeated request to the same run only, so an order remembers the outcomes of its earlier runs.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use temporalio_workflow::WorkflowContext;

use super::{OrderWorkflow, current_time};
use crate::request_quota::ReceivedUpdate;
use contract::{ANONYMOUS_UPDATE, RecordedOutcome, UpdateOutcome};

/// The number of remembered outcomes, each of which has about 300 bytes.
const REMEMBERED: usize = 300;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answers {
    by_update_id: BTreeMap<String, RecordedOutcome>,
    /// The ids of `by_update_id`, oldest first.
    oldest: VecDeque<String>,
    /// The requests that this run has accepted.
    #[serde(skip)]
    in_run: u32,
}

impl Answers {
    /// Returns the number of requests that this run has accepted.
    pub(super) fn in_run(&self) -> u32 {
        self.in_run
    }

    /// Returns whether an earlier request had this id.
    pub(super) fn has(&self, update_id: &str) -> bool {
        self.by_update_id.contains_key(update_id)
    }

    /// Returns the outcome of an earlier request with this id.
    pub(super) fn find(&self, update_id: &str) -> Option<RecordedOutcome> {
        let mut found = self.by_update_id.get(update_id)?.clone();
        if let UpdateOutcome::Done { already, .. } = &mut found.outcome {
            *already = true;
        }
        Some(found)
    }

    /// Counts a request and remembers its outcome, unless no caller can repeat it or it is not
    /// decided.
    pub(super) fn note(&mut self, update_id: Option<&str>, recorded: &RecordedOutcome) {
        self.in_run += 1;
        let Some(update_id) = update_id.filter(|id| !id.starts_with(ANONYMOUS_UPDATE)) else {
            return;
        };
        if matches!(recorded.outcome, UpdateOutcome::Undecided { .. }) {
            return;
        }
        let known = self
            .by_update_id
            .insert(update_id.to_owned(), recorded.clone());
        if known.is_none() {
            self.oldest.push_back(update_id.to_owned());
        }
        if self.oldest.len() > REMEMBERED
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.by_update_id.remove(&oldest);
        }
    }
}

/// Returns the outcome of an earlier run for a repeated request, or decides the request.
pub(super) async fn answer(
    ctx: &WorkflowContext<OrderWorkflow>,
    request: Option<String>,
    decide: impl Future<Output = UpdateOutcome>,
) -> RecordedOutcome {
    let received = ctx.context_value::<ReceivedUpdate>();
    let update_id = received.as_ref().map(|received| received.id.as_str());
    if let Some(known) = ctx.state(|order| order.answers.find(update_id?)) {
        return known;
    }
    if let Some(received) = &received {
        let now = current_time(ctx);
        ctx.state_mut(|order| order.request_rate.note(&received.name, now));
    }
    let recorded = RecordedOutcome {
        outcome: decide.await,
        request,
    };
    ctx.state_mut(|order| order.answers.note(update_id, &recorded));
    recorded
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{OrderStatus, Step};

    fn done() -> RecordedOutcome {
        RecordedOutcome {
            outcome: UpdateOutcome::Done {
                status: OrderStatus::Pending,
                step: Step::Pay,
                message: "Shipping address updated.".to_owned(),
                already: false,
                shipping_address: None,
                notes: None,
                items: None,
                seq: None,
            },
            request: None,
        }
    }

    #[test]
    fn repeated_request_gets_first_outcome() {
        let mut answers = Answers::default();
        answers.note(Some("key"), &done());
        answers.note(Some("once-1"), &done());
        let outcome = answers.find("key").map(|found| found.outcome);
        let is_repeated = matches!(outcome, Some(UpdateOutcome::Done { already: true, .. }));
        assert!(is_repeated);
        assert_eq!((answers.find("once-1"), answers.in_run()), (None, 2));
        for number in 0..REMEMBERED {
            answers.note(Some(&number.to_string()), &done());
        }
        assert_eq!(answers.find("key"), None);
    }
}
