//! Creates and parses workflow ids.

use domain::{OrderId, PaymentEvent, RefundId, ReturnId, WebhookProvider};

const ORDER_PREFIX: &str = "order-";

/// Returns `order-{order_id}`.
pub fn order_workflow_id(order_id: &OrderId) -> String {
    format!("{ORDER_PREFIX}{order_id}")
}

/// Returns the order id in an order's workflow id, or `None` for another workflow.
pub fn parse_order_workflow_id(workflow_id: &str) -> Option<OrderId> {
    OrderId::parse(workflow_id.strip_prefix(ORDER_PREFIX)?).ok()
}

/// Returns `shipping-{order_id}-{attempt}`.
pub fn shipping_workflow_id(order_id: &OrderId, attempt: u32) -> String {
    format!("shipping-{order_id}-{attempt}")
}

/// Returns `closed-{order_id}-{request}`, the id of a change of an order that has ended.
pub fn closed_order_workflow_id(order_id: &OrderId, request: &str) -> String {
    format!("closed-{order_id}-{request}")
}

/// Returns `refund-{order_id}-{refund_id}`.
pub fn refund_workflow_id(order_id: &OrderId, refund_id: &RefundId) -> String {
    format!("refund-{order_id}-{refund_id}")
}

/// Returns `return-{order_id}-{return_id}`.
pub fn return_workflow_id(order_id: &OrderId, return_id: &ReturnId) -> String {
    format!("return-{order_id}-{return_id}")
}

/// Returns `settlement-{provider}-{transaction_id}`. For an event without a transaction, the event
/// id replaces the transaction id.
pub fn settlement_workflow_id(event: &PaymentEvent) -> String {
    let subject = event
        .transaction_id
        .as_ref()
        .map_or(event.event_id.as_str(), |id| id.as_str());
    format!("settlement-{}-{subject}", event.provider)
}

/// Returns `recorder-{task queue}-{provider}`. Deployments with different queues have different
/// databases.
pub fn recorder_workflow_id(task_queue: &str, provider: WebhookProvider) -> String {
    format!("recorder-{task_queue}-{provider}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflow_ids_round_trip() {
        let id = OrderId::parse("order-123").unwrap();
        assert_eq!(order_workflow_id(&id), "order-order-123");
        assert_eq!(parse_order_workflow_id("order-order-123"), Some(id));
        assert_eq!(parse_order_workflow_id("shipping-1-1"), None);
        assert_eq!(parse_order_workflow_id("order-"), None);
    }
}
