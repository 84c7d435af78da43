//! The search attributes by which operators find orders in Temporal.

use std::fmt;

pub const ORDER_STATUS_ATTRIBUTE: &str = "OrderStatus";
pub const ORDER_STEP_ATTRIBUTE: &str = "OrderStep";
pub const CUSTOMER_ID_ATTRIBUTE: &str = "CustomerId";
/// The order's total in minor units of its currency, such as cents.
pub const ORDER_TOTAL_ATTRIBUTE: &str = "OrderTotal";

/// The search attributes that a Temporal namespace needs, with their types.
pub const SEARCH_ATTRIBUTES: [(&str, SearchAttributeType); 4] = [
    (ORDER_STATUS_ATTRIBUTE, SearchAttributeType::Keyword),
    (ORDER_STEP_ATTRIBUTE, SearchAttributeType::Keyword),
    (CUSTOMER_ID_ATTRIBUTE, SearchAttributeType::Keyword),
    (ORDER_TOTAL_ATTRIBUTE, SearchAttributeType::Int),
];

/// A type of search attribute in Temporal. `Display` writes Temporal's name of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchAttributeType {
    Keyword,
    Int,
}

impl fmt::Display for SearchAttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keyword => "Keyword",
            Self::Int => "Int",
        })
    }
}
