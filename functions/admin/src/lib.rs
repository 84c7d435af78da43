//! The function `admin`: data of the whole shop, such as its stock and the endpoints that receive
//! messages about orders.
//!
//! It is the only function of the API that writes to the database, with a database user that can
//! write these tables only. It does not use Temporal. Start reading at `handler`.

mod app;
mod deliveries;
mod endpoints;
mod handler;
mod random;
mod stock;

pub use app::App;
pub use deliveries::DeliveryList;
pub use endpoints::{EndpointCreated, EndpointList, SecretRotated};
pub use stock::{StockChanged, StockDetail, StockEntry, StockList};
