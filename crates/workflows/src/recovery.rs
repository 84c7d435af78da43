//! [`RecoveryWorkflow`]: finds running orders without a running workflow, and starts their workflows
//! again.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::{
    activity::{
        FindLostOrdersInput, LossCause, LostOrder, RecoverOrdersInput, RecoverRefundsInput,
        RecoveryActivities, RecoveryInput, RecoveryReport, RefundActivities,
    },
    patches, policies,
};

/// The largest number of missing workflows that one search recovers. More of them mean that Temporal
/// has lost its data, or that the worker uses the wrong namespace. An operator must decide then.
const MAX_MISSING: usize = 20;

/// The largest number of orders of each list in the report.
const MAX_REPORTED: usize = 100;

/// One search.
#[workflow]
pub struct RecoveryWorkflow {
    input: RecoveryInput,
    report: RecoveryReport,
    missing: Vec<LostOrder>,
}

#[workflow_methods]
impl RecoveryWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, input: RecoveryInput) -> Self {
        Self {
            input,
            report: RecoveryReport::default(),
            missing: Vec::new(),
        }
    }

    #[run(name = "RecoveryWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<RecoveryReport> {
        let input = ctx.state(|search| search.input.clone());
        let mut after = None;
        loop {
            let find = FindLostOrdersInput {
                idle_for: input.idle_for,
                after,
            };
            let page = ctx
                .execute_activity(
                    RecoveryActivities::find_lost_orders,
                    find,
                    policies::recovery_options(),
                )
                .await?;
            let lost = ctx.state_mut(|search| search.sort_lost(page.checked, page.lost));
            recover(ctx, lost).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let missing = ctx.state_mut(|search| std::mem::take(&mut search.missing));
        if missing.len() > MAX_MISSING {
            ctx.state_mut(|search| search.withhold(missing));
        } else {
            recover(ctx, missing).await?;
        }
        if ctx.patched(patches::RECOVER_REFUNDS) {
            let recover = RecoverRefundsInput {
                idle_for: input.idle_for,
            };
            ctx.execute_activity(
                RefundActivities::recover_refunds,
                recover,
                policies::recovery_options(),
            )
            .await?;
        }
        Ok(ctx.state(|search| search.report.clone()))
    }
}

async fn recover(
    ctx: &WorkflowContext<RecoveryWorkflow>,
    lost: Vec<LostOrder>,
) -> WorkflowResult<()> {
    if lost.is_empty() {
        return Ok(());
    }
    let recover = RecoverOrdersInput {
        idle_for: ctx.state(|search| search.input.idle_for),
        lost: lost.clone(),
    };
    ctx.execute_activity(
        RecoveryActivities::recover_orders,
        recover,
        policies::recovery_options(),
    )
    .await?;
    ctx.state_mut(|search| append(&mut search.report.recovered, lost));
    Ok(())
}

impl RecoveryWorkflow {
    /// Returns the orders of a page to recover immediately. Missing workflows are counted first.
    fn sort_lost(&mut self, checked: u32, lost: Vec<LostOrder>) -> Vec<LostOrder> {
        self.report.checked += u64::from(checked);
        let mut found = Vec::new();
        for order in lost {
            match order.cause {
                LossCause::Terminated | LossCause::TimedOut | LossCause::Failed => {
                    found.push(order);
                }
                LossCause::Missing if self.input.all => found.push(order),
                LossCause::Missing => self.missing.push(order),
                LossCause::Completed => self.withhold(vec![order]),
            }
        }
        found
    }

    fn withhold(&mut self, lost: Vec<LostOrder>) {
        append(&mut self.report.withheld, lost);
    }
}

/// Appends to a list of the report, which must not exceed the size of a payload.
fn append(list: &mut Vec<LostOrder>, orders: Vec<LostOrder>) {
    let space = MAX_REPORTED.saturating_sub(list.len());
    list.extend(orders.into_iter().take(space));
}
