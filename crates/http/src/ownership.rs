//! The check that a customer's caller reaches only the customer's own orders.

use crate::{ApiRequest, Problem};
use domain::OrderId;
use order_client::{Error, OrderClient};

impl ApiRequest {
    /// Rejects a customer's request about another customer's order, as if the order did not exist.
    /// Does nothing for other callers and for a route without an order.
    ///
    /// `owner_in_database` returns the order's customer from the projection; a function without a
    /// database returns `None`. Temporal has the customer from the start until its retention ends.
    ///
    /// # Errors
    ///
    /// `order_not_found`, or the problem of the source that could not be read.
    pub async fn require_order_access(
        &self,
        orders: &OrderClient,
        owner_in_database: impl AsyncFnOnce(&OrderId) -> Result<Option<String>, Problem>,
    ) -> Result<(), Problem> {
        let Some(customer) = self.customer().filter(|_| self.has_path_parameter()) else {
            return Ok(());
        };
        let order_id = self.order_id()?;
        let unknown = || Problem::order_not_found(order_id.as_str());
        let database_problem = match owner_in_database(&order_id).await {
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
            // After Temporal's retention the projection can still exist in a database that is
            // unavailable now.
            Err(Error::NotFound) => Err(database_problem.unwrap_or_else(unknown)),
            Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
                Err(error.into())
            }
        }
    }
}
