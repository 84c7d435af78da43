//! The activities of the search for lost workflows.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::retryable;
use domain::OrderId;
use order_client::OrderClient;
use store::{PgPool, running_orders};
use workflows::{
    Recovery,
    activity::{
        CheckOrderRowInput, FindLostOrdersInput, LossCause, LostOrder, LostOrdersPage,
        RecoverOrdersInput, RunningOrderCursor,
    },
};

/// The number of orders of a page. Temporal describes them in a few seconds.
const PAGE: u32 = 1_000;

/// The number of concurrent descriptions.
const CONCURRENT: usize = 8;

/// The reason why a step failed.
#[derive(Debug, thiserror::Error)]
enum RecoveryError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Temporal(#[from] order_client::Error),
}

pub struct RecoveryActivities {
    pub pool: PgPool,
    pub temporal: OrderClient,
}

#[activities]
impl RecoveryActivities {
    #[activity(definition = workflows::activity::FindLostOrders)]
    pub async fn find_lost_orders(
        self: Arc<Self>,
        context: ActivityContext,
        find: FindLostOrdersInput,
    ) -> Result<LostOrdersPage, ActivityError> {
        self.find_page(&find)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RecoverOrders)]
    pub async fn recover_orders(
        self: Arc<Self>,
        context: ActivityContext,
        recover: RecoverOrdersInput,
    ) -> Result<(), ActivityError> {
        for lost in &recover.lost {
            self.recover_order(lost, recover.idle_for.duration())
                .await
                .map_err(|error| retryable(&context, &error))?;
        }
        Ok(())
    }

    #[activity(definition = workflows::activity::CheckOrderRow)]
    pub async fn check_order_row(
        self: Arc<Self>,
        context: ActivityContext,
        check: CheckOrderRowInput,
    ) -> Result<bool, ActivityError> {
        let last = running_orders::read_last_write(&self.pool, &check.order_id)
            .await
            .map_err(|error| retryable(&context, &error))?;
        Ok(last.is_some_and(|last| {
            last.last_seq == check.last_seq
                || context.info().workflow_run_id.as_ref() == Some(&last.writer_run_id)
        }))
    }
}

impl RecoveryActivities {
    async fn find_page(&self, find: &FindLostOrdersInput) -> Result<LostOrdersPage, RecoveryError> {
        let idle_for = find.idle_for.duration();
        let after = find.after.clone().map(|cursor| running_orders::Position {
            due: cursor.due,
            order_id: cursor.order_id,
        });
        let running = running_orders::list(&self.pool, idle_for, after.as_ref(), PAGE).await?;
        let checked = u32::try_from(running.len()).unwrap_or(PAGE);
        let next = running
            .last()
            .filter(|_| checked == PAGE)
            .map(|last| RunningOrderCursor {
                due: last.due,
                order_id: last.order_id.clone(),
            });
        let lost = stream::iter(running)
            .map(|order| self.find_loss(order.order_id, idle_for))
            .buffered(CONCURRENT)
            .try_filter_map(async |lost| Ok(lost))
            .try_collect()
            .await?;
        Ok(LostOrdersPage {
            checked,
            lost,
            next,
        })
    }

    async fn find_loss(
        &self,
        order_id: OrderId,
        idle_for: Duration,
    ) -> Result<Option<LostOrder>, RecoveryError> {
        let loss = self.temporal.find_loss(&order_id, idle_for).await?;
        let Some(cause) = loss.map(|loss| loss.cause) else {
            return Ok(None);
        };
        // The order may have ended between both reads.
        if running_orders::read_last_write(&self.pool, &order_id)
            .await?
            .is_none()
        {
            return Ok(None);
        }
        tracing::error!(
            order.id = %order_id,
            cause = %cause,
            "a running order has no running workflow; `orderflow verify` lists such orders"
        );
        Ok(Some(LostOrder { order_id, cause }))
    }

    async fn recover_order(
        &self,
        lost: &LostOrder,
        idle_for: Duration,
    ) -> Result<(), RecoveryError> {
        let Some(order) = running_orders::read(&self.pool, &lost.order_id).await? else {
            return Ok(());
        };
        let loss = self.temporal.find_loss(&lost.order_id, idle_for).await?;
        let Some(loss) = loss.filter(|loss| loss.cause != LossCause::Completed) else {
            return Ok(());
        };
        let recovery = Recovery {
            chain_id: order.chain_id,
            state: order.state,
            events: order.events,
            reason: describe_cause(loss.cause).to_owned(),
        };
        self.temporal
            .restart_order(recovery, order.policy, &loss)
            .await?;
        tracing::warn!(order.id = %lost.order_id, "the order's workflow was started again");
        Ok(())
    }
}

fn describe_cause(cause: LossCause) -> &'static str {
    match cause {
        LossCause::Terminated => "the order's workflow was terminated",
        LossCause::TimedOut => "the order's workflow timed out",
        LossCause::Failed => "the order's workflow failed",
        LossCause::Missing => "Temporal has no workflow of the order",
        LossCause::Completed => "the order's workflow completed, and its last write is lost",
    }
}
