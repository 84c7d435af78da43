//! The function `events`: lists orders, an order's audit log, and money that a person must act on,
//! from the database.
//!
//! The function only reads. Start reading at `handler`.

mod app;
mod attention;
mod audit_log;
mod handler;
mod orders;

pub use app::App;
pub use attention::WorkList;
pub use audit_log::AuditLog;
pub use orders::OrderList;
