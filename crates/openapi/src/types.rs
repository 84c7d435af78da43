//! JSON Schemas of the functions' responses.
//!
//! Each type is listed field by field, and the compiler compares the list with the type: a missing
//! field, or a field of another type, does not compile. The types themselves do not depend on the
//! document.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use admin::{
    DeliveryList, EndpointCreated, EndpointList, SecretRotated, StockChanged, StockDetail,
    StockEntry, StockList,
};
use contract::{
    AdjustmentView, Amounts, AttentionEntry, AuditEventView, ChargesView, EstimateBasis,
    EstimatedDeliveryView, FailureCount, FieldError, HourCount, LineItemView, MoneyDue,
    OrderAction, OrderDetails, OrderView, RefundList, RefundView, ReportedPayment, ResultView,
    ReturnLine, ReturnList, ReturnView, ShipmentView, Source, Stats, StatusCount, StatusView,
    StepTime,
};
use domain::{
    Address, AuditEventType as EventType, CaptureMode, CompleteOn, Concern, Currency, Customer,
    Decimal, DeliveryPolicy, DisputeStage, Failure, FailureCode, Hold, HoldLimits, HoldOnDispute,
    ItemQuantity, MessageType, Metadata, Notes, OnTimeout, OrderId, OrderPolicy, OrderStatus,
    PartialPayments, PaymentId, PaymentInfo, PaymentMode, PaymentStatus, PaymentWarning, RefundId,
    RefundState, ReturnId, ReturnState, ReviewDecision, ReviewMode, ReviewPolicy, ShipmentInfo,
    Shortage, Sku, Span, Step, TrackingEvent, TrackingKind, TransactionId, WaitReason, WaitingFor,
    WebhookProvider,
};
use events::{AuditLog, OrderList, WorkList};
use orderflow_http::ProblemDocument;
use signal::{SignalDone, SignalUndecided};
use start::{DependencyHealth, Health, StartResponse as StartedOrder};
use store::{endpoint_outbox::Delivery, endpoints::Endpoint, stock::StockMovement};

/// The schemas of all named types that were requested so far.
#[derive(Debug, Default)]
pub(crate) struct SchemaRegistry(Map<String, Value>);

impl SchemaRegistry {
    /// Returns the schema of the type, or a reference to it if the type has a name.
    pub(crate) fn schema_of<T: DescribeSchema>(&mut self) -> Value {
        let Some(name) = T::NAME else {
            return T::schema(self);
        };
        if !self.0.contains_key(name) {
            // Reserves the name first: a field may have the same type.
            self.0.insert(name.to_owned(), Value::Null);
            let schema = T::schema(self);
            self.0.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    /// Adds a schema with this name.
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

/// A type that has a schema in the document.
pub(crate) trait DescribeSchema {
    const NAME: Option<&'static str> = None;

    fn schema(types: &mut SchemaRegistry) -> Value;

    /// Returns the schema of a field that is omitted when it has no value.
    fn present(types: &mut SchemaRegistry) -> Value
    where
        Self: Sized,
    {
        types.schema_of::<Self>()
    }
}

macro_rules! plain_types {
    ($($type:ty => $schema:tt),+ $(,)?) => {
        $(impl DescribeSchema for $type {
            fn schema(_: &mut SchemaRegistry) -> Value {
                json!($schema)
            }
        })+
    };
}

plain_types! {
    Metadata => {"type": "object", "description": "The shop's own data.", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    bool => {"type": "boolean"},
    u16 => {"type": "integer", "minimum": 0},
    u32 => {"type": "integer", "minimum": 0},
    f64 => {"type": "number"},
    i32 => {"type": "integer"},
    i64 => {"type": "integer"},
    str => {"type": "string"},
    String => {"type": "string"},
    DateTime<Utc> => {"type": "string", "format": "date-time"},
}

impl<T: DescribeSchema + ?Sized> DescribeSchema for &T {
    const NAME: Option<&'static str> = T::NAME;

    fn schema(types: &mut SchemaRegistry) -> Value {
        T::schema(types)
    }
}

impl<T: DescribeSchema> DescribeSchema for Option<T> {
    fn schema(types: &mut SchemaRegistry) -> Value {
        let mut schema = types.schema_of::<T>();
        match schema.get("type").and_then(Value::as_str) {
            Some(kind) => {
                schema["type"] = json!([kind, "null"]);
                schema
            }
            None => json!({"anyOf": [schema, {"type": "null"}]}),
        }
    }

    fn present(types: &mut SchemaRegistry) -> Value {
        types.schema_of::<T>()
    }
}

impl<T: DescribeSchema> DescribeSchema for [T] {
    fn schema(types: &mut SchemaRegistry) -> Value {
        json!({"type": "array", "items": types.schema_of::<T>()})
    }
}

impl<T: DescribeSchema> DescribeSchema for Vec<T> {
    fn schema(types: &mut SchemaRegistry) -> Value {
        <[T]>::schema(types)
    }
}

impl DescribeSchema for BTreeMap<Step, u32> {
    fn schema(types: &mut SchemaRegistry) -> Value {
        let (steps, count) = (types.schema_of::<Step>(), types.schema_of::<u32>());
        json!({"type": "object", "propertyNames": steps, "additionalProperties": count})
    }
}

macro_rules! identifiers {
    ($($type:ident),+ $(,)?) => {
        $(impl DescribeSchema for $type {
            const NAME: Option<&'static str> = Some(stringify!($type));

            fn schema(_: &mut SchemaRegistry) -> Value {
                contract::id_schema::<$type>()
            }
        })+
    };
}

// A `CustomerId` is plain text in responses: a stored row may have an id that is no longer valid.
identifiers!(OrderId, PaymentId, RefundId, ReturnId, Sku, TransactionId);

impl DescribeSchema for domain::CustomerId {
    fn schema(_: &mut SchemaRegistry) -> Value {
        json!({"type": "string"})
    }
}

impl DescribeSchema for Currency {
    const NAME: Option<&'static str> = Some("Currency");

    fn schema(_: &mut SchemaRegistry) -> Value {
        json!({"description": "An alphabetic ISO 4217 currency code.", "type": "string", "pattern": "^[A-Z]{3}$"})
    }
}

impl DescribeSchema for Decimal {
    const NAME: Option<&'static str> = Some("Amount");

    fn schema(_: &mut SchemaRegistry) -> Value {
        let description = "An amount in major units, with at most the decimals of its currency and at most 15 digits.";
        json!({"description": description, "type": "number"})
    }
}

impl DescribeSchema for Span {
    const NAME: Option<&'static str> = Some("Duration");

    fn schema(_: &mut SchemaRegistry) -> Value {
        json!({"description": "A duration in the largest unit that divides it, for example `90s` or `1d`.", "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
    }
}

macro_rules! enums {
    ($($(#[doc = $doc:literal])+ $type:ident),+ $(,)?) => {
        $(impl DescribeSchema for $type {
            const NAME: Option<&'static str> = Some(stringify!($type));

            fn schema(_: &mut SchemaRegistry) -> Value {
                let names: Vec<_> = $type::ALL.iter().map(|value| value.as_str()).collect();
                json!({"description": concat!($($doc),+).trim(), "type": "string", "enum": names})
            }
        })+
    };
}

enums! {
    /// The status of an order. `cancelled` and `failed` are final.
    OrderStatus,
    /// The processing step of an order.
    Step,
    /// The type of an audit event. No other types exist.
    EventType,
    /// The type of a message about an order.
    MessageType,
    /// The code of a failure.
    FailureCode,
    /// The status of a payment.
    PaymentStatus,
    /// The state of a refund. `due` needs an operator.
    RefundState,
    /// The state of a return. `rejected`, `closed` and `cancelled` are final.
    ReturnState,
    /// The stage of a payment dispute.
    DisputeStage,
    /// The reason why money needs an operator.
    Concern,
    /// A payment provider that sends webhook events.
    WebhookProvider,
    /// The decision of a reviewer.
    ReviewDecision,
    /// The kind of a report about a parcel.
    TrackingKind,
    /// The source of the response.
    Source,
    /// The time from which an estimate counts: dispatch (`shipped`) or the response (`now`).
    EstimateBasis,
    /// The kind of manual review.
    ReviewMode,
    /// The effect of a review that ends without a decision.
    OnTimeout,
    /// The source of the payment: a charge or a confirmation.
    PaymentMode,
    /// The event that completes an order.
    CompleteOn,
    /// The time of the capture: with the payment, or after dispatch.
    CaptureMode,
    /// The handling of a payment below the total: wait for the rest, or refund it.
    PartialPayments,
    /// Whether a dispute or a warning about the payment holds the order before dispatch.
    HoldOnDispute,
    /// The reason of a wait.
    WaitReason,
    /// A provider's warning about a payment.
    PaymentWarning,
    /// A request to an order, by the last segment of its path below `signals/`.
    OrderAction,
    /// The payment that a refused confirmation reports.
    ReportedPayment,
}

/// Lists the fields of a type. `field [when_set]: Type` is omitted when it has no value, the fields of
/// `field [flattened]: Type` are beside the others, `field as "name"` has another name in JSON, and `field: Type => Other` has the schema of the other type.
macro_rules! response_types {
    ($(
        $(#[doc = $doc:literal])+
        $type:ident $(<$life:lifetime>)? as $title:literal {
            $($(#[doc = $about:literal])* $field:ident $(as $name:literal)? $([$optional:ident])? : $kind:ty $(=> $shown:ty)?),+ $(,)?
        }
    )+) => {
        $(impl DescribeSchema for $type $(<$life>)? {
            const NAME: Option<&'static str> = Some($title);

            fn schema(types: &mut SchemaRegistry) -> Value {
                // Never called. It fails to compile if the list of fields is incomplete.
                fn _is_complete(value: &$type $(<$life>)?) {
                    let $type { $($field),+ } = value;
                    $(let _: &$kind = $field;)+
                }
                let mut properties = Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let name = response_types!(@name $field $($name)?);
                    let about = concat!("" $(, $about)*);
                    response_types!(
                        @add types, properties, required, name, about, $kind $(, optional $optional)? $(, shown $shown)?
                    );
                )+
                json!({"description": concat!($($doc),+).trim(), "type": "object", "properties": properties, "required": required})
            }
        })+
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@add $types:ident, $properties:ident, $required:ident, $name:ident, $about:ident, $kind:ty, optional flattened) => {
        // Every field of a flattened type is optional.
        if let Value::Object(fields) = <$kind as DescribeSchema>::schema($types)["properties"].take() {
            $properties.extend(fields);
        }
        let _ = ($name, $about);
    };
    (@add $types:ident, $properties:ident, $required:ident, $name:ident, $about:ident, $kind:ty $(, optional $optional:ident)? $(, shown $shown:ty)?) => {
        let (schema, is_required) =
            response_types!(@field $types, $kind $(, optional $optional)? $(, shown $shown)?);
        if is_required {
            $required.push($name);
        }
        $properties.insert($name.to_owned(), with_description(schema, $about));
    };
    (@field $types:ident, $kind:ty) => { ($types.schema_of::<$kind>(), true) };
    (@field $types:ident, $kind:ty, optional when_set) => { (<$kind as DescribeSchema>::present($types), false) };
    (@field $types:ident, $kind:ty, shown $shown:ty) => { ($types.schema_of::<$shown>(), true) };
}

fn with_description(mut schema: Value, about: &str) -> Value {
    if !about.is_empty() {
        schema["description"] = json!(about.trim());
    }
    schema
}

response_types! {
    /// A refund of a part of an order's money.
    RefundView as "Refund" {
        refund_id: RefundId,
        order_id: OrderId,
        state: RefundState,
        amount: Decimal,
        currency: Currency,
        /// The part of `amount` that the customer got back.
        refunded_amount: Decimal,
        /// The units whose value is refunded.
        items [when_set]: Vec<ItemQuantity>,
        shipping_amount [when_set]: Option<Decimal>,
        /// Whether the units are available again.
        restock: bool,
        /// The reason of the shop. For a caller of a customer, the reason for the customer.
        reason: Option<String>,
        /// The reason for the customer. A caller of a customer reads it in `reason`.
        public_reason [when_set]: Option<String>,
        /// The reason why the refund failed or is due. Null for a caller of a customer.
        failure: Option<String>,
        /// The name of the caller.
        requested_by: String,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    }

    /// Units of one SKU.
    ItemQuantity as "ItemQuantity" { sku: Sku, quantity: u32 }

    /// A return of units of a delivered order.
    ReturnView as "Return" {
        return_id: ReturnId,
        order_id: OrderId,
        state: ReturnState,
        items: Vec<ReturnLine>,
        /// Whether the received units are available again.
        restock: bool,
        /// The reason of the shop's decision, or of the cancellation. For a caller of a customer, the reason for the customer.
        note: Option<String>,
        /// The reason for the customer. A caller of a customer reads it in `note`.
        public_reason [when_set]: Option<String>,
        /// The refund of the received units. Null before their receipt, and without money to refund.
        refund_id: Option<RefundId>,
        /// The name of the caller.
        requested_by: String,
        /// Whether the caller was one of the customer.
        requested_by_customer: bool,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    }

    /// Units of one SKU in a return.
    ReturnLine as "ReturnLine" {
        sku: Sku,
        /// The units that the customer wants to send back.
        quantity: u32,
        /// The customer's reason.
        reason: Option<String>,
        /// The units that the shop has received.
        received_quantity [when_set]: Option<u32>,
    }

    /// The returns of an order.
    ReturnList as "ReturnList" {
        /// Oldest first.
        returns: Vec<ReturnView>,
    }

    /// The refunds of an order.
    RefundList as "RefundList" {
        /// Oldest first.
        refunds: Vec<RefundView>,
    }

    /// The customer of an order.
    Customer as "Customer" { id: Option<domain::CustomerId>, name: Option<String>, email: Option<String> }

    /// The shipping address of an order.
    Address as "Address" {
        /// The recipient, if it is not the customer.
        name [when_set]: Option<String>,
        company [when_set]: Option<String>,
        street: String,
        /// The second line, such as a building or a floor.
        street2 [when_set]: Option<String>,
        city: Option<String>,
        state: Option<String>,
        postal_code: Option<String>,
        /// The alpha-2 code of ISO 3166. Orders of earlier releases can have other texts.
        country: Option<String>,
        phone [when_set]: Option<String>,
    }

    /// One line item of an order.
    LineItemView as "Line" {
        sku: Sku,
        name: Option<String>,
        quantity: u32,
        unit_price: Decimal,
        /// The discount of the whole line.
        discount_amount [when_set]: Option<Decimal>,
        metadata [when_set]: Metadata,
    }

    /// A discount or a fee of an order.
    AdjustmentView as "Adjustment" {
        code [when_set]: Option<String>,
        description [when_set]: Option<String>,
        amount: Decimal,
    }

    /// The amounts of an order beside its line items.
    ChargesView as "Charges" {
        shipping_amount [when_set]: Option<Decimal>,
        tax_amount [when_set]: Option<Decimal>,
        /// True if the other amounts contain the tax, so that it is not added to the total.
        prices_include_tax [when_set]: bool,
        discounts [when_set]: Vec<AdjustmentView>,
        fees [when_set]: Vec<AdjustmentView>,
    }

    /// The parts of an order that most orders do not have.
    OrderDetails as "OrderDetails" {
        charges [flattened]: ChargesView,
        billing_address [when_set]: Option<Address>,
        notes [flattened]: Notes,
        /// The reason of the cancellation for the customer.
        public_reason [when_set]: Option<String>,
    }

    /// The shop's notes about an order.
    Notes as "Notes" {
        /// The order's name in another system of the shop.
        external_reference [when_set]: Option<String>,
        metadata [when_set]: Metadata,
        note [when_set]: Option<String>,
        gift_message [when_set]: Option<String>,
    }

    /// The payment of an order.
    PaymentInfo as "PaymentInfo" {
        payment_id: PaymentId,
        transaction_id: Option<TransactionId>,
        amount: Decimal,
        payment_method: Option<String>,
        status: PaymentStatus,
        timestamp: DateTime<Utc>,
        /// The captured money of all transactions, if it differs from `amount`.
        captured [when_set]: Option<Decimal>,
        /// The refunded part of the money, if it is not all of it.
        refunded [when_set]: Option<Decimal>,
        /// The money that a bank or a dispute took back, if there is any.
        lost [when_set]: Option<Decimal>,
        /// The part of the money that must still be paid back, if it is not all of it.
        due [when_set]: Option<Decimal>,
        /// The part of the refunded and due money that the shop has granted, if there is any. The order counts as paid.
        granted [when_set]: Option<Decimal>,
        /// The stage of the dispute, if the customer disputes the payment.
        dispute [when_set]: Option<DisputeStage>,
    }

    /// The wait of an open order: its reason and its end.
    WaitingFor as "WaitingFor" {
        reason: WaitReason,
        /// The end of the wait. `null`: only a decision ends it.
        until: Option<DateTime<Utc>>,
        /// The time of the next attempt of a call that failed.
        next_attempt_at [when_set]: Option<DateTime<Utc>>,
        /// The reason why the last attempt failed.
        last_error [when_set]: Option<String>,
        /// True if the order holds no stock any more, because it was not paid in time.
        stock_released [when_set]: bool,
    }

    /// An operator's hold.
    Hold as "Hold" {
        reason: Option<String>,
        /// The reason for the customer.
        public_reason [when_set]: Option<String>,
        since: DateTime<Utc>,
    }

    /// The parcel of an order.
    ShipmentInfo as "ShipmentInfo" {
        tracking_number: String,
        provider: String,
        estimated_delivery: Option<DateTime<Utc>>,
        shipped_at: Option<DateTime<Utc>>,
        delivered_at: Option<DateTime<Utc>>,
        /// The reports of the carrier, by their time.
        events [when_set]: Vec<TrackingEvent>,
    }

    /// The reason of a failure, as a code and as text.
    Failure as "Failure" {
        code: FailureCode,
        detail: String,
        /// With `out_of_stock`, each SKU that is short.
        shortages [when_set]: Vec<Shortage>,
    }

    /// The full state of an order.
    OrderView as "Order" {
        order_id: OrderId,
        /// Absent for a caller of a customer.
        workflow_id [when_set]: String,
        customer_id: Option<String>,
        customer: Customer,
        items: Vec<Value> => Vec<LineItemView>,
        shipping_address: Option<Address>,
        currency: Option<Currency>,
        total_amount: Option<Decimal>,
        details [flattened]: OrderDetails,
        status: OrderStatus,
        step: Step,
        /// True if the workflow is open. A cancelled order is open until its compensation has finished.
        is_running: bool,
        /// The decision of the reviewer, if the order was reviewed. Null for a caller of a customer.
        review: Option<ReviewDecision>,
        payment_info: Option<PaymentInfo>,
        /// The operator's hold. Absent if the order is not held.
        hold [when_set]: Option<Hold>,
        /// The order's wait for money, or for a decision about it. Absent if the order does not wait.
        waiting_for [when_set]: Option<WaitingFor>,
        shipment_info: Option<ShipmentInfo>,
        estimated_delivery: Option<DateTime<Utc>>,
        cancellation_reason: Option<String>,
        failure: Option<Failure>,
        /// The number of failed attempts of each step. Empty for a caller of a customer.
        retries: BTreeMap<Step, u32>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        /// The `seq` of the last audit event that this state includes.
        seq: u32,
        source: Source,
        /// True while the accepted document is not known here yet. Items, total, currency, customer and addresses
        /// are then missing, not empty.
        document_pending [when_set]: bool,
        /// Absent until the order is validated.
        amounts [when_set]: Option<Amounts>,
        /// The refunds that the shop has made, oldest first.
        refunds [when_set]: Vec<RefundView>,
        /// The returns of the order, oldest first.
        returns [when_set]: Vec<ReturnView>,
        shipments: Vec<ShipmentView>,
        /// The requests that the order accepts now.
        actions: Vec<OrderAction>,
    }

    /// The amounts of an order, in its currency.
    Amounts as "Amounts" {
        /// The sum of the line items.
        items: Decimal,
        /// The discounts of the line items and of the order.
        discounts: Decimal,
        shipping: Decimal,
        /// The tax, which the total contains in any case.
        tax: Decimal,
        fees: Decimal,
        total: Decimal,
        /// The money of all transactions that pay or paid the order.
        captured: Decimal,
        refunded: Decimal,
        /// The money that must still be paid back.
        due: Decimal,
    }

    /// A report of the carrier about a parcel.
    TrackingEvent as "TrackingEvent" {
        /// The id of the message.
        id: String,
        kind as "type": TrackingKind,
        at: DateTime<Utc>,
        description [when_set]: Option<String>,
        location [when_set]: Option<String>,
    }

    /// A parcel of an order.
    ShipmentView as "Shipment" {
        tracking_number: String,
        provider: String,
        shipped_at: Option<DateTime<Utc>>,
        delivered_at: Option<DateTime<Utc>>,
        /// The reports of the carrier, by their time.
        events: Vec<TrackingEvent>,
    }

    /// The statistics of a range of time, and the work that waits now.
    Stats as "Stats" {
        from: DateTime<Utc>,
        /// The end of the range, which is not part of it.
        to: DateTime<Utc>,
        /// The orders with each status, without statuses that no order has.
        statuses: Vec<StatusCount>,
        /// The orders of each hour, without hours that have no order.
        hours: Vec<HourCount>,
        /// The time of each step of the newest 10,000 orders.
        steps: Vec<StepTime>,
        failures: Vec<FailureCount>,
        /// The open orders that wait for a review now.
        in_review: u32,
        /// The open orders that are held now.
        held: u32,
        /// The open orders that make no progress now, without a wait that explains it.
        stalled: u32,
        /// The money that must be paid back or assigned now.
        money: Vec<MoneyDue>,
    }

    /// The number of orders with a status.
    StatusCount as "StatusCount" { status: OrderStatus, orders: u32 }

    /// The number of orders of one hour.
    HourCount as "HourCount" {
        /// The beginning of the hour.
        hour: DateTime<Utc>,
        orders: u32,
    }

    /// The time that a step took.
    StepTime as "StepTime" {
        step: Step,
        /// The number of orders that completed the step.
        orders: u32,
        p50_seconds: f64,
        p95_seconds: f64,
    }

    /// The number of failed orders with a code.
    FailureCount as "FailureCount" { code: String, orders: u32 }

    /// The money of one currency that waits for an operator or a provider.
    MoneyDue as "MoneyDue" {
        currency: Currency,
        /// The money that must be paid back.
        due: Decimal,
        /// The money that belongs to no order.
        unmatched: Decimal,
    }

    /// The status of an order.
    StatusView as "OrderState" {
        order_id: OrderId,
        /// Absent for a caller of a customer.
        workflow_id [when_set]: String,
        status: OrderStatus,
        step: Step,
        is_running: bool,
        updated_at: DateTime<Utc>,
        seq: u32,
        source: Source,
    }

    /// The estimated time of delivery.
    EstimatedDeliveryView as "EstimatedDelivery" {
        order_id: OrderId,
        /// `null` for a cancelled or failed order.
        estimated_delivery: Option<DateTime<Utc>>,
        basis: EstimateBasis,
    }

    /// The result of a closed order.
    ResultView as "Result" {
        order_id: OrderId,
        /// Absent for a caller of a customer.
        workflow_id [when_set]: String,
        /// `shipped` or `delivered`, depending on the policy; or `cancelled` or `failed` after compensation.
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

    /// The policy of one order, fixed when the order starts.
    OrderPolicy as "OrderPolicy" {
        review: ReviewPolicy,
        payment: PaymentMode,
        payment_timeout: Span,
        /// The longest wait for a slow payment method that the provider is processing.
        payment_processing_timeout: Span,
        partial_payments: PartialPayments,
        capture: CaptureMode,
        hold_on_dispute: HoldOnDispute,
        /// The time for which a charge is retried while the payment provider is unavailable.
        payment_retry_for: Span,
        payment_processing_delay: Span,
        shipping_delay: Span,
        complete_on: CompleteOn,
        delivery: DeliveryPolicy,
        /// The time from dispatch to the estimated delivery.
        delivery_estimate: Span,
        /// The maximum time from the start to dispatch.
        deadline: Option<Span>,
        /// Absent for an order of the shop.
        hold_limits [when_set]: Option<HoldLimits>,
    }

    /// The limits of the stock that an unpaid order of a customer's caller holds.
    HoldLimits as "HoldLimits" {
        /// The most units of one order.
        per_order: u32,
        /// The most units of all unpaid orders of the customer.
        per_customer: u32,
        /// The time after which an order that waits for its payment releases its stock.
        timeout: Span,
    }

    /// The policy of the manual review.
    ReviewPolicy as "ReviewPolicy" {
        mode: ReviewMode,
        /// The total from which an order is reviewed; `null` reviews every order.
        threshold: Option<Decimal>,
        timeout: Span,
        on_timeout: OnTimeout,
    }

    /// The rule by which an order counts as delivered.
    DeliveryPolicy as "DeliveryPolicy" {
        /// If true, the order counts as delivered after the time `after` without a confirmation. If false, `after` limits the wait.
        auto: bool,
        after: Span,
    }

    /// One page of orders, newest first.
    OrderList as "OrderList" { orders: Vec<OrderView> }

    /// Money that an operator must act on.
    AttentionEntry as "AttentionEntry" {
        /// The id for `orderflow money show` and `orderflow money resolve`.
        id: String,
        concern: Concern,
        /// `null` if the provider did not report an amount.
        amount: Option<Decimal>,
        currency: Option<Currency>,
        /// The provider's id of the payment.
        transaction_id: Option<String>,
        /// The name of the provider, or `external` for a payment that a caller confirmed.
        provider: String,
        payment_id: Option<String>,
        /// `null` for money that belongs to no order.
        order_id: Option<String>,
        order_status: Option<OrderStatus>,
        /// The time of the newest report that caused the entry.
        since: DateTime<Utc>,
        /// The operator's next step in plain English. The text may change.
        next_step: String,
    }

    /// The oldest entries of the work list.
    WorkList as "WorkList" {
        entries: Vec<AttentionEntry>,
        /// Whether there are more entries than the limit.
        more: bool,
    }

    /// One page of an audit log, oldest first.
    AuditLog as "EventList" { events: Vec<AuditEventView> }

    /// The order that the request started.
    StartedOrder<'_> as "StartedOrder" {
        order_id: &OrderId,
        workflow_id: String,
        run_id: &str,
        status: OrderStatus,
        total_amount: Decimal,
        currency: Currency,
        payment_id [when_set]: Option<&PaymentId>,
        message: &'static str,
        /// True if an earlier identical request started the order.
        already_started [when_set]: bool,
    }

    /// An accepted request.
    SignalDone<'_> as "Accepted" {
        order_id: &OrderId,
        status: OrderStatus,
        step: Step,
        message: &str,
        /// True if an earlier request had the same effect.
        already [when_set]: bool,
        shipping_address [when_set]: Option<&Address>,
        notes [flattened]: Notes,
        /// The items after a change of them.
        items [when_set]: Option<&[LineItemView]>,
        total_amount [when_set]: Option<Decimal>,
    }

    /// A request with an unknown outcome. The status of the order shows it later.
    SignalUndecided<'_> as "Undecided" { order_id: &OrderId, status [when_set]: Option<OrderStatus>, message: &str }

    /// The stock of one SKU, in units.
    StockEntry as "Stock" {
        sku: String,
        /// The units that an order can reserve.
        available: i64,
        /// The units that open orders have reserved.
        held: i64,
        shipped: i64,
    }

    /// One page of the stock, sorted by SKU.
    StockList as "StockList" { stock: Vec<StockEntry> }

    /// The stock of one SKU and its last changes.
    StockDetail as "StockDetail" {
        sku: String,
        available: i64,
        held: i64,
        shipped: i64,
        /// The newest change is the first one. It does not include reservations of orders.
        movements: Vec<StockMovement>,
    }

    /// A change of the stock of one SKU.
    StockMovement as "StockMovement" {
        /// `opening`, `set`, `adjust`, or `correction` for a change by another way.
        kind: String,
        old_available: i64,
        new_available: i64,
        /// The caller: `key:NAME`, `token:SUBJECT`, `anonymous`, `cli` or `system`.
        changed_by: String,
        reason: Option<String>,
        changed_at: DateTime<Utc>,
    }

    /// The stock of one SKU after a change.
    StockChanged as "StockChanged" {
        sku: String,
        available: i64,
        held: i64,
        shipped: i64,
        /// True if an earlier request with the same key made the change.
        already [when_set]: bool,
    }

    /// An endpoint, which receives messages about orders.
    Endpoint as "Endpoint" {
        id: String,
        /// The address. That of the endpoint `event_bus` is `event-bus:` and the name of the bus.
        url: String,
        /// The types of messages that it receives; `*` means all types.
        events: Vec<String>,
        description: Option<String>,
        /// A disabled endpoint receives nothing until it is enabled.
        is_enabled: bool,
        disabled_at: Option<DateTime<Utc>>,
        disabled_reason: Option<String>,
        /// The time of the last message that it accepted.
        last_success_at: Option<DateTime<Utc>>,
        /// The caller that created it. The endpoint `event_bus` has `worker`.
        created_by: String,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    }

    /// All endpoints, the oldest first.
    EndpointList as "EndpointList" { webhook_endpoints: Vec<Endpoint> }

    /// A new endpoint and its secret, which no other response contains.
    EndpointCreated as "EndpointCreated" {
        endpoint [flattened]: Endpoint,
        /// The key of the signatures, in the format of Standard Webhooks.
        secret: String,
    }

    /// The new secret of an endpoint, which no other response contains.
    SecretRotated as "SecretRotated" {
        secret: String,
        /// The time until which messages also have a signature of the previous secret.
        previous_valid_until: DateTime<Utc>,
    }

    /// A message to one endpoint, and the outcome of its attempts.
    Delivery as "Delivery" {
        id: i64 => String,
        /// The header `webhook-id` of the message.
        message_id: String,
        kind as "type": String,
        /// Null for a test.
        order_id: Option<String>,
        /// The `seq` of the audit event.
        seq: Option<i32>,
        /// `pending`, `delivered` or `failed`.
        status: String,
        attempts: i32,
        /// The status code of the last response.
        response_status: Option<i32>,
        /// The reason why the last attempt failed.
        error: Option<String>,
        created_at: DateTime<Utc>,
        /// The time of the next attempt, while the message is pending.
        next_attempt_at: Option<DateTime<Utc>>,
        delivered_at: Option<DateTime<Utc>>,
    }

    /// A page of the messages to one endpoint, the newest first.
    DeliveryList as "DeliveryList" { deliveries: Vec<Delivery> }

    /// The health of the API.
    Health as "Health" { status: &'static str, temporal: DependencyHealth }

    /// A service that the API requires, and the reason if it is unavailable.
    DependencyHealth as "Dependency" { reachable: bool, cause [when_set]: Option<String> }

    /// One invalid field.
    FieldError as "FieldError" {
        /// The JSON pointer of the field (RFC 6901).
        pointer: String,
        detail: String,
    }

    /// A problem document (RFC 9457).
    ProblemDocument<'_> as "Problem" {
        r#type as "type": String,
        title: &str,
        status: u16,
        /// The explanation for this request.
        detail: &str,
        /// The path of the request.
        instance: &str,
        code: &str,
        /// All invalid fields.
        errors [when_set]: &[FieldError],
        /// The status of the order; `status` is the HTTP status.
        order_status [when_set]: Option<OrderStatus>,
        /// With a refused confirmation, the payment that it reports. `not_taken`: its refund is the task of the caller.
        payment_status [when_set]: Option<ReportedPayment>,
        /// The reason why a webhook event failed verification: `header`, `signature` or `timestamp`.
        reason [when_set]: Option<&str>,
        /// With `out_of_stock`, each SKU that is short.
        shortages [when_set]: &[Shortage],
    }

    /// A SKU of which too few units are available. A customer's caller gets no figures.
    Shortage as "Shortage" {
        sku: Sku,
        /// The units of the order.
        wanted [when_set]: Option<i64>,
        available [when_set]: Option<i64>,
    }
}
