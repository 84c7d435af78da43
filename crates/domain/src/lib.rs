//! What an order is, without how it is stored, sent or run.
//!
//! Everything here is pure: no async, no clock, no I/O. Values with an invariant can be made only by
//! parsing, so code that holds one need not check again. Start reading at [`record`], the state of
//! one order and the audit trail that goes with it; [`order`] is what a caller may ask for.

mod address;
mod audit_event;
mod currency_serde;
mod decimal;
mod id;
mod money;
mod notification;
mod order;
mod order_state;
mod payment;
mod payment_event;
mod policy;
mod profile;
mod provider_units;
mod search_attribute;
mod shipment;
mod span;
mod status;
mod time;

pub use address::{Address, AddressChange};
pub use audit_event::{AuditEvent, AuditEventType};
pub use decimal::{Decimal, DecimalError};
pub use id::{CustomerId, IdError, Identifier, OrderId, PaymentId, Sku, TransactionId};
pub use money::{Currency, Money, MoneyError};
pub use notification::NotificationKind;
pub use order::{Customer, LineItem, Order, TotalError};
pub use order_state::{
    Failure, FailureCode, OrderState, ReviewDecision, TransitionError, VERSIONS_PER_HISTORY_EVENT,
};
pub use payment::{ChargeProvider, PaymentInfo, PaymentStatus};
pub use payment_event::{
    DisputeStage, PaymentEvent, PaymentEventKind, WebhookOutcome, WebhookProvider,
    status_after_events,
};
pub use policy::{
    CompleteOn, DeliveryPolicy, OnTimeout, OrderPolicy, PaymentMode, ReviewMode, ReviewPolicy,
};
pub use profile::{Profile, resolve_policy};
pub use provider_units::UnitsError;
pub use search_attribute::{
    CUSTOMER_ID_ATTRIBUTE, ORDER_STATUS_ATTRIBUTE, ORDER_STEP_ATTRIBUTE, ORDER_TOTAL_ATTRIBUTE,
    SEARCH_ATTRIBUTES, SearchAttributeType,
};
pub use shipment::ShipmentInfo;
pub use span::{Span, SpanError};
pub use status::{OrderStatus, Step};
pub use time::parse_time;
