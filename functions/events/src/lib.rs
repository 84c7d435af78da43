//! The function `events`: lists orders and an order's audit log, from the database.
//!
//! The function only reads. Start reading at `handler`.

mod app;
mod audit_log;
mod handler;
mod orders;

pub use app::App;
pub use audit_log::AuditLog;
pub use orders::OrderList;
