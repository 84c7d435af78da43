//! Whose order it is, for callers that are one customer's.

use crate::{ApiRequest, Problem};
use domain::{CustomerId, OrderId};
use order_client::{Error, OrderClient};

impl ApiRequest {
    /// The customer whose orders, and no others, there are for the caller.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.caller.customer()
    }

    /// Refuses a customer's call about another one's order exactly as one about an order that nobody knows.
    /// Does nothing for other callers, and for a route without an order.
    ///
    /// `row` tells whose order the database has it, where a function reads one. Temporal knows it from the start on,
    /// and forgets it some time after the end.
    pub async fn require_order_access(
        &self,
        orders: &OrderClient,
        row: impl AsyncFnOnce(&OrderId) -> Result<Option<String>, Problem>,
    ) -> Result<(), Problem> {
        let Some(customer) = self.customer().filter(|_| self.has_path_parameter()) else {
            return Ok(());
        };
        let order_id = self.order_id()?;
        let unknown = || Problem::order_not_found(order_id.as_str());
        let away = match row(&order_id).await {
            Ok(Some(owner)) => {
                return if owner == customer.as_str() {
                    Ok(())
                } else {
                    Err(unknown())
                };
            }
            Ok(None) => None,
            Err(problem) => Some(problem),
        };
        match orders.describe_order(&order_id).await {
            Ok(described) if described.customer_id.as_ref() == Some(customer) => Ok(()),
            Ok(_) => Err(unknown()),
            // Where Temporal has forgotten it, the row may still be there, and only be out of reach.
            Err(Error::NotFound) => Err(away.unwrap_or_else(unknown)),
            Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
                Err(error.into())
            }
        }
    }
}
