//! [`ReconcileWorkflow`]: compares a provider's payments with the ledger, and repairs the ledger.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::{
    PaymentEventSignal, SettlementWorkflow,
    activity::{ReconcileInput, ReconcileReport, SettlementActivities},
    policies,
};
use contract::settlement_workflow_id;

/// One comparison. Payments whose webhook events were lost go the way of a webhook event: a
/// settlement passes them to their orders, or refunds what no order needs.
#[workflow]
pub struct ReconcileWorkflow {
    input: ReconcileInput,
}

#[workflow_methods]
impl ReconcileWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, input: ReconcileInput) -> Self {
        Self { input }
    }

    #[run(name = "ReconcileWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ReconcileReport> {
        let input = ctx.state(|reconcile| reconcile.input.clone());
        let compared = ctx
            .execute_activity(
                SettlementActivities::reconcile_payments,
                input,
                policies::reconcile_options(),
            )
            .await?;
        for event in compared.lost_events {
            let options = ChildWorkflowOptions::builder()
                .workflow_id(settlement_workflow_id(&event))
                .parent_close_policy(ParentClosePolicy::Abandon)
                .build();
            let signal = PaymentEventSignal::new(event);
            // It fails while a settlement of this transaction runs. The next comparison finds
            // what is still missing then.
            let _ = ctx
                .start_child_workflow(SettlementWorkflow::run, Some(signal), options)
                .await;
        }
        Ok(compared.report)
    }
}
