//! Requests about returns. Each return is a workflow, which runs while it is changed.

use temporalio_client::Client;

use crate::{
    DecisionResult, Error, OrderClient,
    decision::{DECISION_TIMEOUT, busy_limit, read_decision},
};
use contract::{
    RequestOrigin, ReturnChange, ReturnDecision, request_fingerprint, return_workflow_id,
};
use domain::{CustomerId, OrderId, ReturnId};
use workflows::{ReturnInput, ReturnWorkflow};

/// A request about a return.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReturnChange<'a> {
    pub order_id: &'a OrderId,
    /// The same for each repetition of the request that creates the return.
    pub return_id: ReturnId,
    pub change: ReturnChange,
    pub origin: RequestOrigin,
    /// The customer of a caller that reaches only the customer's orders.
    pub customer: Option<CustomerId>,
}

impl OrderClient {
    /// Requests or changes a return, and returns the decision. A repeated call has no second effect.
    ///
    /// # Errors
    ///
    /// [`Error::NoWorker`] when there is no decision in time. The change can be made later, so the call
    /// must be repeated.
    #[tracing::instrument(name = "temporal.change_return", skip_all)]
    pub async fn change_return(
        &self,
        new: NewReturnChange<'_>,
    ) -> Result<DecisionResult<ReturnDecision>, Error> {
        let input = ReturnInput {
            order_id: new.order_id.clone(),
            return_id: new.return_id,
            fingerprint: request_fingerprint(&new.change).unwrap_or_default(),
            change: new.change,
            origin: new.origin,
            customer: new.customer,
        };
        let options = self.decision_options(return_workflow_id(&input.order_id, &input.return_id));
        let start = |client: Client| {
            let (input, options) = (input.clone(), options.clone());
            async move {
                client
                    .execute_update_with_start_workflow(
                        ReturnWorkflow::run,
                        input.clone(),
                        ReturnWorkflow::change_return,
                        input,
                        options,
                    )
                    .await
            }
        };
        let decided = self
            .connection
            .call_until(DECISION_TIMEOUT, busy_limit(), start)
            .await;
        read_decision(decided)
    }
}
