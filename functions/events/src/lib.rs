//! The function `events`: lists of orders and the audit trail of one, from the database.
//!
//! It only reads. Start reading at [`App`].

mod app;
mod audit_log;
mod orders;

pub use app::App;
pub use audit_log::AuditLog;
pub use orders::OrderList;
