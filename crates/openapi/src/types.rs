//! JSON Schemas of what the functions send.
//!
//! Each type is listed field by field, and the compiler compares the list with the type: a field that is missing here,
//! or of another type there, does not compile. So the document needs no derive, and the types know nothing of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use contract::{
    EstimateBasis, EstimatedDeliveryView, FieldError, LineItemView, OrderView, ResultView, Source,
    StatusView,
};
use domain::{
    Address, AuditEvent, AuditEventType, CompleteOn, Currency, Customer, Decimal, DeliveryPolicy,
    DisputeStage, Failure, FailureCode, OnTimeout, OrderId, OrderPolicy, OrderStatus, PaymentId,
    PaymentInfo, PaymentMode, PaymentStatus, ReviewDecision, ReviewMode, ReviewPolicy,
    ShipmentInfo, Sku, Span, Step, TransactionId, WebhookProvider,
};
use events::{AuditLog, OrderList};
use orderflow_http::ProblemDocument;
use query::{DependencyHealth, Health};
use signal::{SignalDone, SignalUndecided};
use start::StartResponse as StartedOrder;

/// The named types that were asked for so far.
#[derive(Debug, Default)]
pub(crate) struct Types(Map<String, Value>);

impl Types {
    /// The type, by reference where it has a name.
    pub(crate) fn of<T: Described>(&mut self) -> Value {
        let Some(name) = T::NAME else {
            return T::schema(self);
        };
        if !self.0.contains_key(name) {
            // Ahead of its fields, which may be of the same type.
            self.0.insert(name.to_owned(), Value::Null);
            let schema = T::schema(self);
            self.0.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    /// One more of this name.
    pub(crate) fn define(&mut self, name: String, schema: Value) {
        self.0.insert(name, schema);
    }

    pub(crate) fn into_definitions(self) -> Map<String, Value> {
        self.0
    }
}

pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// What the document knows of.
pub(crate) trait Described {
    const NAME: Option<&'static str> = None;

    fn schema(types: &mut Types) -> Value;

    /// The same where a field is left out rather than `null`.
    fn present(types: &mut Types) -> Value
    where
        Self: Sized,
    {
        types.of::<Self>()
    }
}

macro_rules! plain {
    ($($type:ty => $schema:tt),+ $(,)?) => {
        $(impl Described for $type {
            fn schema(_: &mut Types) -> Value {
                json!($schema)
            }
        })+
    };
}

plain! {
    bool => {"type": "boolean"},
    u16 => {"type": "integer", "minimum": 0},
    u32 => {"type": "integer", "minimum": 0},
    str => {"type": "string"},
    String => {"type": "string"},
    DateTime<Utc> => {"type": "string", "format": "date-time"},
}

impl<T: Described + ?Sized> Described for &T {
    const NAME: Option<&'static str> = T::NAME;

    fn schema(types: &mut Types) -> Value {
        T::schema(types)
    }
}

impl<T: Described> Described for Option<T> {
    fn schema(types: &mut Types) -> Value {
        let mut schema = types.of::<T>();
        match schema.get("type").and_then(Value::as_str) {
            Some(kind) => {
                schema["type"] = json!([kind, "null"]);
                schema
            }
            None => json!({"anyOf": [schema, {"type": "null"}]}),
        }
    }

    fn present(types: &mut Types) -> Value {
        types.of::<T>()
    }
}

impl<T: Described> Described for [T] {
    fn schema(types: &mut Types) -> Value {
        json!({"type": "array", "items": types.of::<T>()})
    }
}

impl<T: Described> Described for Vec<T> {
    fn schema(types: &mut Types) -> Value {
        <[T]>::schema(types)
    }
}

impl Described for BTreeMap<Step, u32> {
    fn schema(types: &mut Types) -> Value {
        let (steps, count) = (types.of::<Step>(), types.of::<u32>());
        json!({"type": "object", "propertyNames": steps, "additionalProperties": count})
    }
}

macro_rules! identifiers {
    ($($type:ident),+ $(,)?) => {
        $(impl Described for $type {
            const NAME: Option<&'static str> = Some(stringify!($type));

            fn schema(_: &mut Types) -> Value {
                contract::id_schema::<$type>()
            }
        })+
    };
}

// A `CustomerId` is text in answers: a row may hold one that is no longer allowed.
identifiers!(OrderId, PaymentId, Sku, TransactionId);

impl Described for domain::CustomerId {
    fn schema(_: &mut Types) -> Value {
        json!({"type": "string"})
    }
}

impl Described for Currency {
    const NAME: Option<&'static str> = Some("Currency");

    fn schema(_: &mut Types) -> Value {
        json!({"description": "An ISO 4217 code.", "type": "string", "pattern": "^[A-Z]{3}$"})
    }
}

impl Described for Decimal {
    const NAME: Option<&'static str> = Some("Amount");

    fn schema(_: &mut Types) -> Value {
        let description =
            "In major units, with no more decimals than the currency has, and at most 15 digits.";
        json!({"description": description, "type": "number"})
    }
}

impl Described for Span {
    const NAME: Option<&'static str> = Some("Duration");

    fn schema(_: &mut Types) -> Value {
        json!({"description": "In the largest unit that fits.", "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
    }
}

macro_rules! closed_lists {
    ($($(#[doc = $doc:literal])+ $type:ident),+ $(,)?) => {
        $(impl Described for $type {
            const NAME: Option<&'static str> = Some(stringify!($type));

            fn schema(_: &mut Types) -> Value {
                let names: Vec<_> = $type::ALL.iter().map(|value| value.as_str()).collect();
                json!({"description": concat!($($doc),+).trim(), "type": "string", "enum": names})
            }
        })+
    };
}

closed_lists! {
    /// Where an order stands. From `cancelled` and `failed` there is no way back.
    OrderStatus,
    /// What an order is doing.
    Step,
    /// What happened to an order. The list is closed.
    AuditEventType,
    /// Why an order failed.
    FailureCode,
    /// Where one payment stands.
    PaymentStatus,
    /// How far a customer's dispute of a payment has come.
    DisputeStage,
    /// Who sends webhooks.
    WebhookProvider,
    /// What a reviewer decided.
    ReviewDecision,
    /// Where the answer comes from.
    Source,
    /// From when an estimate is counted.
    EstimateBasis,
    /// Whether a person looks at the order.
    ReviewMode,
    /// What happens when nobody decided in time.
    OnTimeout,
    /// Where the money comes from.
    PaymentMode,
    /// When an order is complete.
    CompleteOn,
}

/// `field [when_set]: Type` is left out when there is nothing to say; `field as "name"` has another name in JSON;
/// `field: Type => Other` is written as the other.
macro_rules! described {
    ($(
        $(#[doc = $doc:literal])+
        $type:ident $(<$life:lifetime>)? as $title:literal {
            $($(#[doc = $about:literal])* $field:ident $(as $name:literal)? $([$optional:ident])? : $kind:ty $(=> $shown:ty)?),+ $(,)?
        }
    )+) => {
        $(impl Described for $type $(<$life>)? {
            const NAME: Option<&'static str> = Some($title);

            fn schema(types: &mut Types) -> Value {
                // Never called: that it compiles is what it is for.
                fn _is_complete(value: &$type $(<$life>)?) {
                    let $type { $($field),+ } = value;
                    $(let _: &$kind = $field;)+
                }
                let mut properties = Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let name = described!(@name $field $($name)?);
                    let (schema, is_required) =
                        described!(@field types, $kind $(, optional $optional)? $(, shown $shown)?);
                    if is_required {
                        required.push(name);
                    }
                    let schema = in_words(schema, concat!("" $(, $about)*));
                    properties.insert(name.to_owned(), schema);
                )+
                json!({"description": concat!($($doc),+).trim(), "type": "object", "properties": properties, "required": required})
            }
        })+
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@field $types:ident, $kind:ty) => { ($types.of::<$kind>(), true) };
    (@field $types:ident, $kind:ty, optional when_set) => { (<$kind as Described>::present($types), false) };
    (@field $types:ident, $kind:ty, shown $shown:ty) => { ($types.of::<$shown>(), true) };
}

fn in_words(mut schema: Value, about: &str) -> Value {
    if !about.is_empty() {
        schema["description"] = json!(about.trim());
    }
    schema
}

described! {
    /// Who ordered; all is optional.
    Customer as "Customer" { id: Option<domain::CustomerId>, name: Option<String>, email: Option<String> }

    /// A snapshot that belongs to its order.
    Address as "Address" {
        street: String,
        city: Option<String>,
        state: Option<String>,
        postal_code: Option<String>,
        country: Option<String>,
    }

    /// One sku of an order.
    LineItemView as "Line" { sku: Sku, name: Option<String>, quantity: u32, unit_price: Decimal }

    /// The payment of an order.
    PaymentInfo as "PaymentInfo" {
        payment_id: PaymentId,
        transaction_id: Option<TransactionId>,
        amount: Decimal,
        payment_method: Option<String>,
        status: PaymentStatus,
        timestamp: DateTime<Utc>,
        /// Only where the customer disputes it.
        dispute [when_set]: Option<DisputeStage>,
    }

    /// The parcel of an order.
    ShipmentInfo as "ShipmentInfo" {
        tracking_number: String,
        provider: String,
        estimated_delivery: Option<DateTime<Utc>>,
        shipped_at: Option<DateTime<Utc>>,
        delivered_at: Option<DateTime<Utc>>,
    }

    /// Why an order failed, for programs and in words.
    Failure as "Failure" { code: FailureCode, detail: String }

    /// The full state.
    OrderView as "Order" {
        order_id: OrderId,
        workflow_id: String,
        customer_id: Option<String>,
        customer: Customer,
        items: Vec<Value> => Vec<LineItemView>,
        shipping_address: Option<Address>,
        currency: Option<Currency>,
        total_amount: Option<Decimal>,
        status: OrderStatus,
        step: Step,
        /// While undo steps run, a cancelled order runs, too.
        is_running: bool,
        review: Option<ReviewDecision>,
        payment_info: Option<PaymentInfo>,
        shipment_info: Option<ShipmentInfo>,
        estimated_delivery: Option<DateTime<Utc>>,
        cancellation_reason: Option<String>,
        failure: Option<Failure>,
        /// How often each step was tried again.
        retries: BTreeMap<Step, u32>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        /// The last entry of the audit trail that this state includes.
        seq: u32,
        source: Source,
    }

    /// The short state.
    StatusView as "OrderState" {
        order_id: OrderId,
        workflow_id: String,
        status: OrderStatus,
        step: Step,
        is_running: bool,
        updated_at: DateTime<Utc>,
        seq: u32,
        source: Source,
    }

    /// When the parcel should arrive.
    EstimatedDeliveryView as "EstimatedDelivery" {
        order_id: OrderId,
        /// Nothing for an order that was cancelled or has failed.
        estimated_delivery: Option<DateTime<Utc>>,
        basis: EstimateBasis,
    }

    /// How an order ended.
    ResultView as "Result" {
        order_id: OrderId,
        workflow_id: String,
        /// `shipped` or `delivered`, by what completes an order; `cancelled` or `failed`, with everything undone.
        status: OrderStatus,
        cancellation_reason: Option<String>,
        failure: Option<Failure>,
        currency: Option<Currency>,
        total_amount: Option<Decimal>,
        payment_info: Option<PaymentInfo>,
        shipment_info: Option<ShipmentInfo>,
        created_at: DateTime<Utc>,
        ended_at: DateTime<Utc>,
        seq: u32,
        source: Source,
    }

    /// How one order is handled; fixed when it starts.
    OrderPolicy as "OrderPolicy" {
        review: ReviewPolicy,
        payment: PaymentMode,
        payment_timeout: Span,
        /// How long a payment provider that is down is asked again.
        payment_retry_for: Span,
        payment_processing_delay: Span,
        shipping_delay: Span,
        complete_on: CompleteOn,
        delivery: DeliveryPolicy,
        /// From dispatch to the estimated delivery.
        delivery_estimate: Span,
        /// From the start; it no longer counts after dispatch.
        deadline: Option<Span>,
    }

    /// The manual review.
    ReviewPolicy as "ReviewPolicy" {
        mode: ReviewMode,
        /// With it, only orders of at least this total are reviewed.
        threshold: Option<Decimal>,
        timeout: Span,
        on_timeout: OnTimeout,
    }

    /// How an order counts as delivered.
    DeliveryPolicy as "DeliveryPolicy" {
        /// Whether the end of `after` is the ordinary way, or just where waiting for a confirmation ends.
        auto: bool,
        after: Span,
    }

    /// One page of orders, the newest first.
    OrderList as "OrderList" { orders: Vec<OrderView> }

    /// One page of an audit trail, the oldest first.
    AuditLog as "EventList" { events: Vec<AuditEvent> }

    /// The order that a request started.
    StartedOrder<'_> as "StartedOrder" {
        order_id: &OrderId,
        workflow_id: String,
        run_id: &str,
        status: OrderStatus,
        total_amount: Decimal,
        currency: Currency,
        payment_id [when_set]: Option<&PaymentId>,
        message: &'static str,
        /// The same request came before.
        already_started [when_set]: bool,
    }

    /// The order's own answer.
    SignalDone<'_> as "Accepted" {
        order_id: &OrderId,
        status: OrderStatus,
        step: Step,
        message: &str,
        /// It held before; nothing new happened.
        already [when_set]: bool,
        shipping_address [when_set]: Option<&Address>,
    }

    /// Nobody knows yet; the order's status will tell.
    SignalUndecided<'_> as "Undecided" { order_id: &OrderId, status [when_set]: Option<OrderStatus>, message: &str }

    /// Whether calls can be served.
    Health as "Health" { status: &'static str, temporal: DependencyHealth }

    /// What calls need, and why it is not there.
    DependencyHealth as "Dependency" { reachable: bool, cause [when_set]: Option<String> }

    /// One field that does not validate.
    FieldError as "FieldError" {
        /// RFC 6901.
        pointer: String,
        detail: String,
    }

    /// RFC 9457.
    ProblemDocument<'_> as "Problem" {
        r#type as "type": String,
        title: &str,
        status: u16,
        /// In words, for this call.
        detail: &str,
        /// The path that was called.
        instance: &str,
        code: &str,
        /// Every bad field, at once.
        errors [when_set]: &[FieldError],
        /// The order's status; `status` is the answer's.
        order_status [when_set]: Option<OrderStatus>,
        /// Of a notification that is not verified: `header`, `signature` or `timestamp`.
        reason [when_set]: Option<&str>,
    }
}
