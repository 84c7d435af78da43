//! Typed keys and values of the search attributes by which operators find orders in Temporal.

use temporalio_common::search_attributes::{SearchAttributeKey, SearchAttributeUpdate};

use domain::{
    CUSTOMER_ID_ATTRIBUTE, ORDER_STATUS_ATTRIBUTE, ORDER_STEP_ATTRIBUTE, ORDER_TOTAL_ATTRIBUTE,
    Order, OrderStatus, Step,
};

pub const ORDER_STATUS: SearchAttributeKey<String> =
    SearchAttributeKey::keyword(ORDER_STATUS_ATTRIBUTE);
pub const ORDER_STEP: SearchAttributeKey<String> =
    SearchAttributeKey::keyword(ORDER_STEP_ATTRIBUTE);
pub const CUSTOMER_ID: SearchAttributeKey<String> =
    SearchAttributeKey::keyword(CUSTOMER_ID_ATTRIBUTE);
const ORDER_TOTAL: SearchAttributeKey<i64> = SearchAttributeKey::int(ORDER_TOTAL_ATTRIBUTE);

/// Returns the updates that set the search attributes of an order. An order that is not validated
/// yet has no total and no customer.
pub fn search_attribute_updates(
    status: OrderStatus,
    step: Step,
    order: Option<&Order>,
) -> Vec<SearchAttributeUpdate> {
    let mut updates = vec![
        ORDER_STATUS.value_set(status.to_string()),
        ORDER_STEP.value_set(step.to_string()),
    ];
    if let Some(order) = order {
        updates.push(ORDER_TOTAL.value_set(order.total.minor()));
        if let Some(customer_id) = &order.customer.id {
            updates.push(CUSTOMER_ID.value_set(customer_id.to_string()));
        }
    }
    updates
}
