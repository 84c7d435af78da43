//! The order that the acceptance commands start.

use serde_json::{Value, json};

/// Returns a request for one laptop (99.99 USD) for the given customer.
pub(super) fn sample_order(customer_id: &str) -> Value {
    json!({
        "customer": {"id": customer_id, "name": "John Doe", "email": "john@example.com"},
        "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
        "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
    })
}
