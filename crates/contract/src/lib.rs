//! The data that crosses a process boundary, defined once for HTTP and for Temporal: readers of
//! requests, views, outcomes, JSON schemas and workflow ids.
//!
//! The readers accept every spelling of the HTTP contract and report all invalid fields at once.

mod address;
mod address_hash;
mod amounts;
mod attention;
mod audit_event_view;
mod customer_view;
mod document;
mod endpoint_request;
mod endpoint_url;
mod item_quantity;
mod items_change;
mod metadata;
mod number;
mod order_action;
mod order_document;
mod order_list;
mod order_quota;
mod order_request;
mod payment_confirmation;
mod priced_fields;
mod refund;
mod request;
mod request_origin;
mod returns;
mod schema;
mod stats;
mod stock_change;
mod tracking;
mod update_outcome;
mod view;
mod workflow_id;

pub use address_hash::address_hash;
pub use amounts::{Amounts, MovedMoney, without_zeros};
pub use attention::AttentionEntry;
pub use audit_event_view::AuditEventView;
pub use customer_view::{audit_event_for_customer, is_public_field};
pub use document::{Document, DocumentError, FieldError, Fields, InvalidFields, Rules};
pub use endpoint_request::{EndpointChangeRequest, EndpointRequest, SubscribedType};
pub use endpoint_url::{AllowedAddresses, EndpointUrl, EndpointUrlError};
pub use order_action::{OrderAction, allowed_actions};
pub use order_document::{
    AdjustmentView, ChargesView, LineItemView, OrderDetails, line_document, order_document,
    order_fingerprint, parse_earlier_order, parse_order,
};
pub use order_list::{OrderAttention, OrderSort};
pub use order_quota::{ANONYMOUS_UPDATE, QuotaExceeded};
pub use order_request::{OrderRequest, quote_of};
pub use payment_confirmation::{PaymentConfirmation, ReportedPayment};
pub use priced_fields::{QUOTED_FIELDS, QuotedFields, priced_fields, with_quote};
pub use refund::{RefundDecision, RefundList, RefundRequest, RefundView};
pub use request::{
    Approval, Cancellation, DeliveryConfirmation, DispatchFailure, HoldRequest,
    PaymentCancellation, Rejection, Release, Request, RequestError,
};
pub use request_origin::{ORIGIN_HEADER, OrderChanged, RequestOrigin};
pub use returns::{
    ReturnChange, ReturnDecision, ReturnLine, ReturnList, ReturnNote, ReturnReceipt, ReturnRequest,
    ReturnView,
};
pub use schema::id_schema;
pub use stats::{FailureCount, HourCount, MoneyDue, Stats, StatusCount, StepTime};
pub use stock_change::{MAX_STOCK, RequestedStock, StockRequest};
pub use tracking::{TrackingError, TrackingReport};
pub use update_outcome::{
    ChangedItems, ClosedOrderOutcome, RecordedOutcome, RefusalCode, UpdateOutcome,
    request_fingerprint,
};
pub use view::{
    EstimateBasis, EstimatedDeliveryView, OrderView, ResultView, ShipmentView, Source, StatusView,
};
pub use workflow_id::{
    closed_order_workflow_id, order_workflow_id, parse_order_workflow_id, recorder_workflow_id,
    refund_workflow_id, return_workflow_id, settlement_workflow_id, shipping_workflow_id,
};
