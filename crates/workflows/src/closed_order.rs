//! [`ClosedOrderWorkflow`]: a change of an order whose workflow has ended.

use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::{
    activity::{ClosedChange, ClosedOrderActivities, ClosedOrderChange},
    database_step, policies,
};
use contract::{ClosedOrderOutcome, request_fingerprint};

/// The outcome of a change, with the fingerprint of its request. A repeated request with the same key
/// gets it too, and the fingerprint shows whether it asks for the same change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClosedOrderChanged {
    pub outcome: ClosedOrderOutcome,
    pub request: Option<String>,
}

/// One change.
#[workflow]
pub struct ClosedOrderWorkflow {
    change: ClosedOrderChange,
}

#[workflow_methods]
impl ClosedOrderWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, change: ClosedOrderChange) -> Self {
        Self { change }
    }

    #[run(name = "ClosedOrderWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ClosedOrderChanged> {
        let change = ctx.state(|order| order.change.clone());
        let mut number = 0;
        let outcome = loop {
            let outcome = database_step::run(
                ctx,
                &ClosedOrderActivities::change_closed_order,
                || change.clone(),
                policies::local_options(),
            )
            .await?;
            number += 1;
            // No caller waits for the report of a carrier, and the row of the order is closed soon.
            let waits =
                matches!(change.change, ClosedChange::Tracking(_)) && number <= policies::MAX_CALLS;
            if outcome != ClosedOrderOutcome::StillOpen || !waits {
                break outcome;
            }
            ctx.timer(policies::backoff(number)).await;
        };
        Ok(ClosedOrderChanged {
            outcome,
            request: request_fingerprint(&change.change),
        })
    }
}
