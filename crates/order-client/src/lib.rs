//! The one door to Temporal for callers: start an order, ask something of it, read it, list orders.
//!
//! What Temporal says in gRPC codes becomes a typed error here and is not seen elsewhere. Nothing here
//! decides anything about orders, and nothing here knows HTTP. Start reading at [`Orders`]; how a
//! connection is made, kept and replaced is in `link`.

mod client;
mod command;
mod connection;
mod describe;
mod diagnostics;
mod error;
mod grpc_error;
mod list;
mod metrics;
mod payload;
mod payment_event;
mod query;
mod settings;
mod start;
mod update;
mod workflow;

pub use client::OrderClient;
pub use command::OrderCommand;
pub use connection::connect_worker;
pub use describe::OrderDescription;
pub use diagnostics::QueueState;
pub use error::Error;
pub use list::{ListFilter, OrderSummary};
pub use metrics::SdkMetrics;
pub use settings::TemporalSettings;
pub use start::{NewOrder, StartError, StartedOrder};
pub use temporalio_client::Client;
pub use update::UpdateResult;
pub use workflow::{PendingActivity, WorkflowDescription, WorkflowEvent};
