//! The function's clients.

use order_client::OrderClient;
use store::Database;

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    pub(crate) database: Database,
}

impl App {
    /// Returns the function; the clients can be shared with other functions.
    pub fn new(orders: OrderClient, database: Database) -> Self {
        Self { orders, database }
    }
}
