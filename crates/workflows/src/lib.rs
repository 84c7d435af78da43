//! The deterministic part: `OrderWorkflow`, its child `ShippingWorkflow`, `SettlementWorkflow` for money
//! that no order waits for, and the activities they call.
//!
//! Nothing here may read a clock, the environment, randomness or a hash map, or do any I/O: a run is
//! replayed from its history, and each replay must decide the same. Time comes from the workflow's
//! context; everything else comes from activities, which are declared here and implemented in the
//! worker. Start reading at [`order`], top to bottom: it is the process.

pub mod activity;
mod clock;
mod input;
mod message;
pub mod order;
mod patches;
mod policies;
mod search_attributes;
pub mod settlement;
pub mod shipping;

pub use input::{
    OrderInput, OrderOutcome, PaymentEventSignal, ShippingInput, ShippingOutcome,
    UnmatchedPaymentSignal,
};
pub use message::{Decode, Message};
pub use order::OrderWorkflow;
pub use search_attributes::{CUSTOMER_ID, ORDER_STATUS, ORDER_STEP, ORDER_TOTAL};
pub use settlement::SettlementWorkflow;
pub use shipping::ShippingWorkflow;

/// Where orders and their activities run.
pub const ORDERS_TASK_QUEUE: &str = "orders-tq";
/// Where shipping and its activities run.
pub const SHIPPING_TASK_QUEUE: &str = "shipping-tq";
