//! The activity of returns.

use std::sync::Arc;

use chrono::Utc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::retryable;
use contract::ReturnDecision;
use store::{
    PgPool,
    returns::{self, RequestedChange},
};
use workflows::ReturnInput;

pub struct ReturnActivities {
    pub pool: PgPool,
}

#[activities]
impl ReturnActivities {
    #[activity(definition = workflows::activity::ChangeReturn)]
    pub async fn change_return(
        self: Arc<Self>,
        context: ActivityContext,
        input: ReturnInput,
    ) -> Result<ReturnDecision, ActivityError> {
        let change = RequestedChange {
            order_id: &input.order_id,
            return_id: &input.return_id,
            change: &input.change,
            origin: &input.origin,
            customer: input.customer.as_ref(),
            fingerprint: &input.fingerprint,
        };
        returns::change(&self.pool, change, Utc::now())
            .await
            .map_err(|error| retryable(&context, &error))
    }
}
