//! The deterministic workflows, and the declarations of their activities:
//!
//! - [`OrderWorkflow`] and its child [`ShippingWorkflow`],
//! - [`SettlementWorkflow`] for payments that no open order takes, and [`RecorderWorkflow`] for events
//!   that concern no order,
//! - [`RefundWorkflow`] for refunds that the shop makes, [`ReturnWorkflow`] for returns of delivered units,
//!   and [`ClosedOrderWorkflow`] for other changes of orders that have ended,
//! - [`ReconcileWorkflow`] for payments whose events were lost, and [`RecoveryWorkflow`] for orders and
//!   refunds whose workflow was lost.
//!
//! # Where to find
//!
//! - The process of an order, from top to bottom: [`OrderWorkflow::run`] in `order.rs`.
//! - The decision about a request (cancel, new address, payment confirmation, …):
//!   `order/decisions.rs`, one method for each request. A **cancel** is decided in
//!   `OrderWorkflow::decide_cancel`. A cancel during shipping becomes a recall, which
//!   `order/shipment.rs` decides (`execute_recall`).
//! - The wait for a decision's outcome: `order/requests.rs`.
//! - Time-outs and retries: `policies.rs`. Inputs and outputs of activities: [`activity`].
//!
//! # Rules for this crate
//!
//! Temporal replays a run from its history, and each replay must make the same decisions. Code in
//! this crate must not read a clock, the environment, random numbers or a hash map, and must not do
//! I/O. `clippy.toml` forbids these calls. Time comes from the workflow context. All other input
//! comes from activities, which this crate declares and the worker implements.

pub mod activity;
mod clock;
pub mod closed_order;
mod database_step;
mod input;
mod message;
pub mod order;
mod patches;
mod policies;
pub mod reconciliation;
pub mod recorder;
pub mod recovery;
pub mod refund;
mod request_quota;
pub mod returns;
mod search_attributes;
pub mod settlement;
pub mod shipping;

pub use closed_order::{ClosedOrderChanged, ClosedOrderWorkflow};
pub use input::{
    OrderInput, OrderOutcome, PaymentEventSignal, Recovery, RefundInput, RefundNotice, ReturnInput,
    ShippingInput, ShippingOutcome, TrackingSignal, UnmatchedPaymentSignal,
};
pub use message::{Decode, Message};
pub use order::OrderWorkflow;
pub use reconciliation::ReconcileWorkflow;
pub use recorder::{RecorderInput, RecorderWorkflow};
pub use recovery::RecoveryWorkflow;
pub use refund::RefundWorkflow;
pub use request_quota::request_quota;
pub use returns::ReturnWorkflow;
pub use search_attributes::{CUSTOMER_ID, ORDER_STATUS, ORDER_STEP, search_attribute_updates};
pub use settlement::SettlementWorkflow;
pub use shipping::{STOP_SIGNAL, ShippingWorkflow};

/// The default task queue of orders, settlements and their activities.
pub const ORDERS_TASK_QUEUE: &str = "orders-tq";
/// The default task queue of [`ShippingWorkflow`] and its activities.
pub const SHIPPING_TASK_QUEUE: &str = "shipping-tq";
