//! The search attributes by which operators find orders in Temporal.

use temporalio_common::search_attributes::{SearchAttributeKey, SearchAttributeUpdate};

use domain::OrderState;

pub const ORDER_STATUS: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderStatus");
pub const ORDER_STEP: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderStep");
pub const CUSTOMER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
/// The order's total in minor units of its currency, such as cents.
pub const ORDER_TOTAL: SearchAttributeKey<i64> = SearchAttributeKey::int("OrderTotal");

/// Returns the updates that set the search attributes to the order's state.
pub(crate) fn updates_from_state(state: &OrderState) -> Vec<SearchAttributeUpdate> {
    let mut updates = vec![
        ORDER_STATUS.value_set(state.status().to_string()),
        ORDER_STEP.value_set(state.step().to_string()),
    ];
    if let Some(order) = &state.order {
        updates.push(ORDER_TOTAL.value_set(order.total.minor()));
        if let Some(customer_id) = &order.customer.id {
            updates.push(CUSTOMER_ID.value_set(customer_id.to_string()));
        }
    }
    updates
}
