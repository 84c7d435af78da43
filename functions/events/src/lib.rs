//! The function `events`: lists of orders and the audit trail of one, from the database.
//!
//! It only reads. Start reading at [`App`].

mod app;
mod orders;
mod trail;

pub use app::App;
pub use orders::OrderList;
pub use trail::Trail;
