//! The client through which callers use orders in Temporal: start an order, send it a request, read
//! it, list orders.
//!
//! This crate translates gRPC status codes into the typed [`Error`], so no other crate handles
//! them. It makes no decisions about orders and does not depend on HTTP. Start with
//! [`OrderClient`]; `connection.rs` makes, keeps and replaces the connection.

mod attribute_setup;
mod client;
mod closed_order;
mod command;
mod connection;
mod decision;
mod describe;
mod diagnostics;
mod error;
mod grpc_error;
mod in_flight;
mod list;
mod metrics;
mod origin_header;
mod pauses;
mod payload;
mod payment_event;
mod query;
mod reconcile;
mod recovery;
mod refunds;
mod returns;
mod search_attributes;
mod secrets;
mod settings;
mod shared_run;
mod start;
mod trace_header;
mod update;
mod workflow;

pub use attribute_setup::{AttributeError, AttributeSetup};
pub use client::OrderClient;
pub use command::OrderCommand;
pub use connection::connect_worker;
pub use decision::DecisionResult;
pub use describe::OrderDescription;
pub use diagnostics::QueueState;
pub use error::Error;
pub use list::{ListFilter, OrderSummary};
pub use metrics::SdkMetrics;
pub use origin_header::with_origin;
pub use reconcile::reconcile_hourly;
pub use recovery::{Loss, recover_hourly};
pub use refunds::NewRefund;
pub use returns::NewReturnChange;
pub use search_attributes::AttributeRegistration;
pub use settings::TemporalSettings;
pub use start::{CURRENT_RULES, NewOrder, StartError, StartedOrder};
pub use temporalio_client::Client;
pub use trace_header::{TRACE_HEADER, encode_trace, read_trace};
pub use update::UpdateResult;
pub use workflow::{PendingActivity, SignalPosition, WorkflowDescription, WorkflowEvent};
