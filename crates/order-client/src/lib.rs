//! The one door to Temporal for callers: start an order, ask something of it, read it, list orders.
//!
//! What Temporal says in gRPC codes becomes a typed error here and is not seen elsewhere. Nothing here
//! decides anything about orders, and nothing here knows HTTP. Start reading at [`Orders`]; how a
//! connection is made, kept and replaced is in `link`.

mod check;
mod command;
mod describe;
mod error;
mod failure;
mod link;
mod list;
mod metrics;
mod notify;
mod orders;
mod payload;
mod query;
mod settings;
mod start;
mod update;
mod workflow;

pub use check::QueueState;
pub use command::Command;
pub use describe::Described;
pub use error::Error;
pub use link::connect_worker;
pub use list::{ListFilter, Listed};
pub use metrics::SdkMetrics;
pub use orders::Orders;
pub use settings::TemporalSettings;
pub use start::{NewOrder, StartError, Started};
pub use temporalio_client::Client;
pub use update::Reply;
pub use workflow::{PendingActivity, WorkflowDescription, WorkflowEvent};
