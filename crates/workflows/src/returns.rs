//! [`ReturnWorkflow`]: changes of one return, and the start of its refund.
//!
//! The database has the return. So the workflow runs only while a change is made, and each change can
//! be repeated: a workflow that was lost starts again with the next request. The claim of the refund
//! is a part of the change, so the search for lost refunds also finds the refund of a lost return.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityExecutionError, ChildWorkflowOptions, ParentClosePolicy, WaitConditionOptions,
    WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::{
    RefundInput, RefundWorkflow, ReturnInput, activity::ReturnActivities, database_step, policies,
};
use contract::{RefundRequest, ReturnDecision, ReturnView, refund_workflow_id};
use domain::ReturnState;

type Context = WorkflowContext<ReturnWorkflow>;

#[workflow]
pub struct ReturnWorkflow {
    /// The first change, which the start of the workflow requests.
    first: ReturnInput,
    decision: Option<ReturnDecision>,
}

#[workflow_methods]
impl ReturnWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, first: ReturnInput) -> Self {
        Self {
            first,
            decision: None,
        }
    }

    #[run(name = "ReturnWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let ctx = &*ctx;
        let first = ctx.state(|returned| returned.first.clone());
        let decision = change(ctx, &first).await?;
        ctx.state_mut(|returned| returned.decision = Some(decision.clone()));
        start_refund(ctx, &first, &decision).await;
        wait_for_handlers(ctx).await;
        Ok(())
    }

    /// Makes a change and returns the decision about it.
    #[update(name = "change_return")]
    pub async fn change_return(
        ctx: &mut WorkflowContext<Self>,
        input: ReturnInput,
    ) -> Result<ReturnDecision, Box<dyn std::error::Error + Send + Sync>> {
        let ctx = &*ctx;
        // A wait that is detached from cancellation cannot fail.
        let _ = ctx
            .wait_condition_with_options(
                |returned: &Self| returned.decision.is_some(),
                detached_wait(),
            )
            .await;
        let first = ctx.state(|returned| {
            let is_first = returned.first == input;
            returned.decision.clone().filter(|_| is_first)
        });
        if let Some(decision) = first {
            return Ok(decision);
        }
        let decision = change(ctx, &input).await?;
        start_refund(ctx, &input, &decision).await;
        Ok(decision)
    }
}

async fn change(
    ctx: &Context,
    input: &ReturnInput,
) -> Result<ReturnDecision, ActivityExecutionError> {
    let step = ReturnActivities::change_return;
    let options = policies::local_options();
    database_step::run(ctx, &step, || input.clone(), options).await
}

/// Starts the refund of received units, which closes the return.
async fn start_refund(ctx: &Context, input: &ReturnInput, decision: &ReturnDecision) {
    let ReturnDecision::Accepted { view, .. } = decision else {
        return;
    };
    let Some(refund) = refund_of(view, input) else {
        return;
    };
    let options = ChildWorkflowOptions::builder()
        .workflow_id(refund_workflow_id(&refund.order_id, &refund.refund_id))
        .parent_close_policy(ParentClosePolicy::Abandon)
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    // It fails when the refund runs already. If it fails for another reason, the search for lost
    // refunds starts the refund.
    let _ = ctx
        .start_child_workflow(RefundWorkflow::run, refund, options)
        .await;
}

fn refund_of(view: &ReturnView, input: &ReturnInput) -> Option<RefundInput> {
    let refund_id = view.refund_id.clone()?;
    (view.state == ReturnState::Received).then(|| RefundInput {
        order_id: view.order_id.clone(),
        refund_id,
        // The database has the claim.
        request: RefundRequest::default(),
        requested_by: input.origin.actor.clone(),
        origin: Some(input.origin.clone()),
        fingerprint: view.return_id.to_string(),
    })
}

fn detached_wait() -> WaitConditionOptions {
    WaitConditionOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build()
}

/// Waits for callers who wait for a decision.
async fn wait_for_handlers(ctx: &Context) {
    let handlers = ctx.clone();
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(
            move |_: &ReturnWorkflow| handlers.all_handlers_finished(),
            detached_wait(),
        )
        .await;
}
