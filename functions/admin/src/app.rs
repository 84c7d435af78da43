//! The function's settings and its clients.

use contract::AllowedAddresses;
use settings::{ENDPOINT_ADDRESSES, Environment, SettingError};
use store::Database;

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    pub(crate) database: Database,
    pub(crate) addresses: AllowedAddresses,
}

impl App {
    /// Reads the settings; the database can be shared with other functions.
    ///
    /// # Errors
    ///
    /// A setting is invalid.
    pub fn new(database: Database) -> Result<Self, SettingError> {
        let meanings = [
            ("public", AllowedAddresses::Public),
            ("any", AllowedAddresses::Any),
        ];
        let addresses = Environment::from_process().choose(&ENDPOINT_ADDRESSES, &meanings)?;
        Ok(Self {
            database,
            addresses,
        })
    }
}
