//! The function `events`: lists orders, an order's audit log, statistics, and money that a person
//! must act on, from the database.
//!
//! The function only reads. Start reading at `handler`.

mod app;
mod attention;
mod audit_log;
mod handler;
mod order_table;
mod orders;
mod stats;
mod time_filter;

pub use app::App;
pub use attention::WorkList;
pub use audit_log::AuditLog;
pub use order_table::MAX_ROWS;
pub use orders::OrderList;
