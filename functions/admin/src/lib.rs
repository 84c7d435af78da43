//! The function `admin`: data of the whole shop, such as its stock.
//!
//! It is the only function of the API that writes to the database, with a database user that can
//! write these tables only. It does not use Temporal. Start reading at `handler`.

mod app;
mod handler;
mod stock;

pub use app::App;
pub use stock::{StockChanged, StockDetail, StockEntry, StockList};
