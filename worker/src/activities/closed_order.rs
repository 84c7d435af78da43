//! The activity that changes orders which have ended.

use std::sync::Arc;

use chrono::Utc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::retryable;
use contract::ClosedOrderOutcome;
use store::{
    PgPool,
    closed_orders::{self, Change},
};
use workflows::activity::{ClosedChange, ClosedOrderChange};

pub struct ClosedOrderActivities {
    pub pool: PgPool,
}

#[activities]
impl ClosedOrderActivities {
    #[activity(definition = workflows::activity::ChangeClosedOrder)]
    pub async fn change_closed_order(
        self: Arc<Self>,
        context: ActivityContext,
        change: ClosedOrderChange,
    ) -> Result<ClosedOrderOutcome, ActivityError> {
        let ClosedOrderChange {
            order_id,
            change,
            origin,
        } = &change;
        let by = Change {
            order_id,
            origin: origin.as_ref(),
            at: Utc::now(),
        };
        let changed = match change {
            ClosedChange::Notes(notes) => closed_orders::change_notes(&self.pool, by, notes).await,
            ClosedChange::Tracking(report) => {
                let reported = (report.shipment_id.as_str(), &report.event);
                closed_orders::add_tracking_event(&self.pool, by, reported).await
            }
        };
        changed.map_err(|error| retryable(&context, &error))
    }
}
