//! What operators search orders by.

use temporalio_common::search_attributes::{SearchAttributeKey, SearchAttributeUpdate};

use domain::OrderState;

pub const ORDER_STATUS: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderStatus");
pub const ORDER_STEP: SearchAttributeKey<String> = SearchAttributeKey::keyword("OrderStep");
pub const CUSTOMER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
/// Minor units.
pub const ORDER_TOTAL: SearchAttributeKey<i64> = SearchAttributeKey::int("OrderTotal");

/// All four as the record has them.
pub(crate) fn updates_from_state(record: &OrderState) -> Vec<SearchAttributeUpdate> {
    let mut updates = vec![
        ORDER_STATUS.value_set(record.status().to_string()),
        ORDER_STEP.value_set(record.step().to_string()),
    ];
    if let Some(order) = &record.order {
        updates.push(ORDER_TOTAL.value_set(order.total.minor()));
        if let Some(customer_id) = &order.customer.id {
            updates.push(CUSTOMER_ID.value_set(customer_id.to_string()));
        }
    }
    updates
}
