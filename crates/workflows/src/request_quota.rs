//! The quotas of the requests to one run of an order.
//!
//! A request beyond its quota is refused before the order accepts it, so it leaves no history. Each
//! kind of request has its own quota, so that a client that floods an order with address changes does
//! not stop an operator. Temporal accepts 10 updates in flight and 2,000 in each run.
//!
//! An interceptor counts, because it receives a request before all code of the workflow that can wait.
//! Its counts decide only about requests that are new, so a replay never depends on them. The quota
//! per minute is part of the order (`order/request_rate.rs`); the interceptor gives its validators the
//! time.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, SystemTime},
};

use temporalio_common::protos::temporal::api::common::v1::Payload;
use temporalio_workflow::{
    WorkflowContextKey, WorkflowContextView,
    workflow_interceptors::{
        HandleUpdateInput, HandleUpdateResult, SyncWorkflowInterceptorContext, ValidateUpdateInput,
        ValidateUpdateResult, WorkflowInterceptor, WorkflowInterceptorConstructor,
        WorkflowInterceptorContext, WorkflowInterceptorFuture, WorkflowNext,
    },
    workflows::WorkflowError,
};

use contract::{ORIGIN_HEADER, QuotaExceeded, RequestOrigin};

/// The requests of one kind that one run accepts. An order normally continues as new long before.
/// Eleven kinds stay below the 2,000 updates of the server.
const PER_RUN: u32 = 180;

/// The requests that wait for an outcome at the same time: changes of the address and of the payment
/// together, and requests of each other kind. Together they stay below the 10 of the server.
const CHANGES_IN_FLIGHT: u32 = 5;
const OTHERS_IN_FLIGHT: u32 = 2;

/// The requests that can wait until the order is loaded.
const CHANGES: [&str; 3] = ["update_address", "cancel_payment", "confirm_payment"];

/// The wait that a caller is asked for when the quota of a run is used up, until the order continues as
/// new.
const RUN_WAIT: Duration = Duration::from_secs(60);

/// The update that a validator or a handler runs for.
#[derive(Debug)]
pub(crate) struct ReceivedUpdate {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The time of the workflow task.
    pub(crate) time: Option<SystemTime>,
    pub(crate) origin: RequestOrigin,
}

/// Returns the origin in the header of an update.
fn origin_of(header: Option<&Payload>) -> RequestOrigin {
    header
        .and_then(|payload| RequestOrigin::parse(&payload.data))
        .unwrap_or_else(RequestOrigin::temporal)
}

impl WorkflowContextKey for ReceivedUpdate {
    type Value = Self;
}

/// Returns the interceptor, which each worker and each replayer of orders needs.
pub fn request_quota() -> WorkflowInterceptorConstructor {
    WorkflowInterceptorConstructor::new(|_: &WorkflowContextView| RequestQuota::default())
}

#[derive(Debug, Default)]
struct RequestQuota {
    usage: Rc<RefCell<BTreeMap<String, Usage>>>,
}

/// The accepted requests of one kind.
#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    in_run: u32,
    in_flight: u32,
}

impl Usage {
    fn accept(&mut self) {
        self.in_run += 1;
        self.in_flight += 1;
    }
}

impl RequestQuota {
    /// Returns the time until a request of this kind can be accepted; `None` if it can be now.
    fn wait_for(&self, kind: &str) -> Option<Duration> {
        let usage = self.usage.borrow();
        let of_kind = usage.get(kind).copied().unwrap_or_default();
        let (in_flight, limit) = if CHANGES.contains(&kind) {
            let changes = CHANGES.iter().filter_map(|kind| usage.get(*kind));
            (changes.map(|kind| kind.in_flight).sum(), CHANGES_IN_FLIGHT)
        } else {
            (of_kind.in_flight, OTHERS_IN_FLIGHT)
        };
        if of_kind.in_run >= PER_RUN {
            return Some(RUN_WAIT);
        }
        (in_flight >= limit).then_some(crate::policies::DECISION_TIMEOUT)
    }
}

impl WorkflowInterceptor for RequestQuota {
    fn validate_update(
        &self,
        context: SyncWorkflowInterceptorContext,
        input: ValidateUpdateInput,
        next: WorkflowNext<'_, ValidateUpdateInput, ValidateUpdateResult>,
    ) -> ValidateUpdateResult {
        if let Some(wait) = self.wait_for(input.name()) {
            let refusal = QuotaExceeded {
                retry_after_seconds: u32::try_from(wait.as_secs()).unwrap_or(u32::MAX),
            };
            return Err(WorkflowError::Execution(refusal.into()));
        }
        let received = ReceivedUpdate {
            id: input.id().to_owned(),
            name: input.name().to_owned(),
            time: context.workflow_time(),
            origin: origin_of(input.headers().get(ORIGIN_HEADER)),
        };
        context.with_context_value::<ReceivedUpdate, _>(received, || next.run(input))
    }

    fn handle_update<'a>(
        &'a self,
        context: WorkflowInterceptorContext,
        input: HandleUpdateInput,
        next: WorkflowNext<
            'a,
            HandleUpdateInput,
            WorkflowInterceptorFuture<'a, HandleUpdateResult>,
        >,
    ) -> WorkflowInterceptorFuture<'a, HandleUpdateResult> {
        let kind = input.name().to_owned();
        let received = ReceivedUpdate {
            id: input.id().to_owned(),
            name: kind.clone(),
            time: context.workflow_time(),
            origin: origin_of(input.headers().get(ORIGIN_HEADER)),
        };
        let mut usage = self.usage.borrow_mut();
        usage.entry(kind.clone()).or_default().accept();
        drop(usage);
        let usage = Rc::clone(&self.usage);
        WorkflowInterceptorFuture::new(async move {
            // A handler that is not async runs in `run` itself, which must be inside.
            let handled = async move { next.run(input).await };
            let outcome = context
                .with_context_value::<ReceivedUpdate, _>(received, handled)
                .await;
            if let Some(usage) = usage.borrow_mut().get_mut(&kind) {
                usage.in_flight = usage.in_flight.saturating_sub(1);
            }
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(quota: &RequestQuota, kind: &str) {
        let mut usage = quota.usage.borrow_mut();
        usage.entry(kind.to_owned()).or_default().accept();
    }

    #[test]
    fn waiting_changes_leave_places_for_others() {
        let quota = RequestQuota::default();
        for _ in 0..CHANGES_IN_FLIGHT {
            assert_eq!(quota.wait_for("update_address"), None);
            accept(&quota, "update_address");
        }
        assert!(quota.wait_for("confirm_payment").is_some());
        assert_eq!(quota.wait_for("cancel_order"), None);
    }

    #[test]
    fn run_has_a_quota_for_each_kind() {
        let quota = RequestQuota::default();
        for _ in 0..PER_RUN {
            assert_eq!(quota.wait_for("approve_order"), None);
            accept(&quota, "approve_order");
            quota
                .usage
                .borrow_mut()
                .get_mut("approve_order")
                .unwrap()
                .in_flight = 0;
        }
        assert_eq!(quota.wait_for("approve_order"), Some(RUN_WAIT));
        assert_eq!(quota.wait_for("reject_order"), None);
    }
}
