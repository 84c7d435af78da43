//! What an order is, without how it is stored, sent or run.
//!
//! Everything here is pure: no async, no clock, no I/O. Values with an invariant can be made only by
//! parsing, so code that holds one need not check again. Start reading at [`record`], the state of
//! one order and the audit trail that goes with it; [`order`] is what a caller may ask for.

mod address;
mod currency_serde;
mod decimal;
mod event;
mod id;
mod money;
mod notification;
mod order;
mod payment;
mod payment_event;
mod policy;
mod profile;
mod record;
mod shipment;
mod span;
mod status;
mod time;
mod units;

pub use address::{Address, AddressChange};
pub use decimal::{Decimal, DecimalError};
pub use event::{AuditEvent, EventType};
pub use id::{CustomerId, IdError, Identifier, OrderId, PaymentId, Sku, TransactionId};
pub use money::{Currency, Money, MoneyError};
pub use notification::NotificationKind;
pub use order::{Customer, Line, Order, TotalError};
pub use payment::{ChargeProvider, PaymentInfo, PaymentStatus};
pub use payment_event::{
    DeliveryOutcome, DisputeStage, PaymentEvent, PaymentEventKind, WebhookProvider, standing,
};
pub use policy::{CompleteOn, Delivery, OnTimeout, OrderPolicy, PaymentMode, Review, ReviewMode};
pub use profile::{Profile, SettingError, resolve_policy};
pub use record::{Failure, FailureCode, OrderRecord, ReviewDecision, TransitionError};
pub use shipment::ShipmentInfo;
pub use span::{Span, SpanError};
pub use status::{OrderStatus, Step};
pub use time::parse_time;
pub use units::UnitsError;
