//! The function's settings and its clients.

use std::time::Duration;

use order_client::OrderClient;
use settings::{Environment, LONG_POLLING, ORDERS_LATE_AFTER, SettingError};
use store::Database;

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    pub(crate) database: Database,
    pub(crate) long_polling: bool,
    /// The time without progress after which an order is stalled.
    pub(crate) stalled_after: Duration,
}

impl App {
    /// Reads the settings; the clients can be shared with other functions.
    ///
    /// # Errors
    ///
    /// A setting is invalid.
    pub fn new(orders: OrderClient, database: Database) -> Result<Self, SettingError> {
        let environment = Environment::from_process();
        Ok(Self {
            orders,
            database,
            long_polling: environment.is_on(&LONG_POLLING)?,
            stalled_after: environment.duration(&ORDERS_LATE_AFTER)?,
        })
    }
}
