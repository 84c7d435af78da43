//! The order itself: ids, money, addresses, state machine, audit events, policies and payments.
//!
//! This crate is pure: it has no async code, no clock and no I/O. Only parsing creates a value with
//! an invariant, so code that has such a value does not check it again. Start reading at
//! [`order_state`], the state of one order and its audit events; [`order`] has the content of an
//! order.

mod address;
mod audit_event;
mod concern;
mod country;
mod currency_serde;
mod decimal;
mod email;
mod id;
mod items_change;
mod ledger;
mod metadata;
mod money;
mod network_address;
mod notes;
mod notification;
mod order;
mod order_message;
mod order_state;
mod payment;
mod payment_event;
mod policy;
mod profile;
mod provider_units;
mod refund;
mod returns;
mod review_limits;
mod search_attribute;
mod shipment;
mod span;
mod status;
mod time;
mod visible;

pub use address::{Address, AddressChange, AddressField};
pub use audit_event::{AuditEvent, AuditEventType};
pub use concern::{Concern, ConcernSubject, reports_no_payment};
pub use country::{country_code, country_name};
pub use decimal::{Decimal, DecimalError};
pub use email::{Email, EmailError};
pub use id::{
    CustomerId, IdError, Identifier, OrderId, PaymentId, RefundId, ReturnId, Sku, TransactionId,
};
pub use items_change::{ItemsChange, ItemsError};
pub use ledger::{Balance, CLAIMED, Movement, MovementKind, Transaction};
pub use metadata::{Metadata, MetadataChange, MetadataError, MetadataValue};
pub use money::{Currency, Money, MoneyError};
pub use network_address::is_public_address;
pub use notes::{Notes, NotesChange};
pub use notification::NotificationKind;
pub use order::{Adjustment, Charges, Customer, LineItem, Order, QuoteReference, TotalError};
pub use order_message::MessageType;
pub use order_state::{
    Failure, FailureCode, Hold, OrderState, ReviewDecision, Shortage, TransitionError,
    VERSIONS_PER_HISTORY_EVENT, WaitReason, WaitingFor,
};
pub use payment::{ChargeError, ChargeProvider, EXTERNAL, PaymentInfo, PaymentStatus};
pub use payment_event::{
    DisputeStage, PaymentEvent, PaymentEventKind, PaymentWarning, WebhookOutcome, WebhookProvider,
};
pub use policy::{
    CaptureMode, CompleteOn, DeliveryPolicy, HoldLimits, HoldOnDispute, OnTimeout, OrderPolicy,
    PartialPayments, PaymentMode, ReviewMode, ReviewPolicy,
};
pub use profile::{DeploymentPolicy, Profile, resolve_policy};
pub use provider_units::UnitsError;
pub use refund::{ItemError, ItemQuantity, OrderValue, RefundState};
pub use returns::{ReturnState, ReturnStep};
pub use review_limits::ReviewLimits;
pub use search_attribute::{
    CUSTOMER_ID_ATTRIBUTE, ORDER_STATUS_ATTRIBUTE, ORDER_STEP_ATTRIBUTE, ORDER_TOTAL_ATTRIBUTE,
    SEARCH_ATTRIBUTES, SearchAttributeType,
};
pub use shipment::{ShipmentInfo, TrackingEvent, TrackingKind};
pub use span::{Span, SpanError};
pub use status::{OrderStatus, Step};
pub use time::parse_time;
pub use visible::{
    DIRECTION_OVERRIDES, INVISIBLE, has_visible_character, overrides_direction,
    without_direction_overrides,
};
