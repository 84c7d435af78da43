//! The function's settings and its clients.

use order_client::OrderClient;
use settings::{Environment, LONG_POLLING, SettingError};
use store::Database;

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    pub(crate) database: Database,
    pub(crate) long_polling: bool,
}

impl App {
    /// Reads the settings; the clients can be shared with other functions.
    ///
    /// # Errors
    ///
    /// A setting is invalid.
    pub fn new(orders: OrderClient, database: Database) -> Result<Self, SettingError> {
        Ok(Self {
            orders,
            database,
            long_polling: Environment::from_process().is_on(&LONG_POLLING)?,
        })
    }
}
