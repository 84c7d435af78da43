//! [`RefundWorkflow`]: one refund that the shop makes, from its claim to its result.
//!
//! Each step can be repeated: the database has the claim and the results. So a lost workflow starts
//! again with the same input, and a repeated request runs through the steps of a finished refund.
//!
//! The workflow of an open order is the only writer of its audit log. So the refund sends its audit
//! events to the order as a signal, until the database has them.

use std::time::Duration;

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SignalWorkflowOptions, WaitConditionOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, join,
};

use crate::{
    Message, OrderWorkflow, RefundInput,
    activity::{AnnounceRefundInput, AnnounceRefundOutcome, RefundActivities, RefundReference},
    database_step, policies,
};
use contract::{RefundDecision, order_workflow_id};
use domain::RefundState;

type Context = WorkflowContext<RefundWorkflow>;

#[workflow]
pub struct RefundWorkflow {
    input: RefundInput,
    decision: Option<RefundDecision>,
}

#[workflow_methods]
impl RefundWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, input: RefundInput) -> Self {
        Self {
            input,
            decision: None,
        }
    }

    #[run(name = "RefundWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let ctx = &*ctx;
        let input = ctx.state(|refund| refund.input.clone());
        let step = RefundActivities::claim_refund;
        let options = policies::local_options();
        let decision = database_step::run(ctx, &step, || input.clone(), options).await?;
        let accepted = match &decision {
            RefundDecision::Accepted { refund, seq } => Some((refund.restock, seq.is_some())),
            RefundDecision::OrderChanged { .. }
            | RefundDecision::Refused { .. }
            | RefundDecision::Invalid { .. }
            | RefundDecision::UnknownOrder
            | RefundDecision::KeyReused => None,
        };
        ctx.state_mut(|refund| refund.decision = Some(decision));
        if let Some((restocks, is_announced)) = accepted {
            if restocks {
                let step = RefundActivities::restock_refund;
                ctx.execute_activity(step, reference(ctx), policies::database_options(None))
                    .await?;
            }
            if is_announced {
                // The claim has written the audit event.
                pay(ctx).await?;
            } else {
                // The order's workflow can be slow, which must not delay the money.
                let (announced, paid) = join!(announce(ctx, false), pay(ctx));
                announced?;
                paid?;
            }
            announce(ctx, true).await?;
        }
        wait_for_handlers(ctx).await;
        Ok(())
    }

    /// Waits for the decision about the request, and returns it. A request with another fingerprint is
    /// not this one.
    #[update(name = "claim_refund")]
    pub async fn claim_refund(
        ctx: &mut WorkflowContext<Self>,
        fingerprint: String,
    ) -> RefundDecision {
        if ctx.state(|refund| refund.input.fingerprint != fingerprint) {
            return RefundDecision::KeyReused;
        }
        // A wait that is detached from cancellation cannot fail.
        let _ = ctx
            .wait_condition_with_options(
                |refund: &Self| refund.decision.is_some(),
                WaitConditionOptions::builder()
                    .cancellation_token(WorkflowCancellationToken::new())
                    .build(),
            )
            .await;
        let decision = ctx.state(|refund| refund.decision.clone());
        decision.unwrap_or(RefundDecision::UnknownOrder)
    }
}

fn reference(ctx: &Context) -> RefundReference {
    ctx.state(|refund| RefundReference {
        order_id: refund.input.order_id.clone(),
        refund_id: refund.input.refund_id.clone(),
    })
}

/// Pays the refund. A provider that has accepted it reports the result later.
async fn pay(ctx: &Context) -> WorkflowResult<()> {
    let mut number = 0;
    loop {
        let step = RefundActivities::pay_refund;
        let state = ctx
            .execute_activity(step, reference(ctx), policies::payment_options())
            .await?;
        if state != RefundState::Pending {
            return Ok(());
        }
        number += 1;
        wait(ctx, policies::refund_result_pause(number)).await?;
    }
}

/// Writes an audit event about the refund: into the database, or through the order's workflow.
async fn announce(ctx: &Context, is_result: bool) -> WorkflowResult<()> {
    let mut number = 0;
    loop {
        let origin = ctx.state(|refund| refund.input.origin.clone());
        let input = AnnounceRefundInput {
            refund: reference(ctx),
            is_result,
            // No request has caused the result.
            origin: origin.filter(|_| !is_result),
        };
        let step = RefundActivities::announce_refund;
        let options = policies::local_options();
        let announced = database_step::run(ctx, &step, || input.clone(), options).await?;
        let notice = match announced {
            AnnounceRefundOutcome::Written | AnnounceRefundOutcome::Nothing => return Ok(()),
            AnnounceRefundOutcome::Open { notice } => *notice,
        };
        // It fails when the order has just ended. The next try finds its last write.
        let order = ctx.external_workflow(order_workflow_id(&input.refund.order_id), None);
        let _ = order
            .signal(
                OrderWorkflow::refund_changed,
                Message::Valid(notice),
                SignalWorkflowOptions::default(),
            )
            .await;
        number += 1;
        wait(ctx, policies::refund_notice_pause(number)).await?;
    }
}

/// Waits, and continues as new if the history has become long.
async fn wait(ctx: &Context, pause: Duration) -> WorkflowResult<()> {
    ctx.timer(pause).await;
    if ctx.continue_as_new_suggested() {
        wait_for_handlers(ctx).await;
        let mut input = ctx.state(|refund| refund.input.clone());
        // The refund is accepted. If the database lost its claim, the next claim is for the present state.
        if let Some(origin) = &mut input.origin {
            origin.if_match = None;
        }
        match ctx.continue_as_new(input, ContinueAsNewOptions::default())? {}
    }
    Ok(())
}

/// Waits for callers who wait for the decision.
async fn wait_for_handlers(ctx: &Context) {
    let handlers = ctx.clone();
    let options = WaitConditionOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(
            move |_: &RefundWorkflow| handlers.all_handlers_finished(),
            options,
        )
        .await;
}
