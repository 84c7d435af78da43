//! The function's clients.

use store::Database;

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    pub(crate) database: Database,
}

impl App {
    /// The database can be shared with other functions.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}
