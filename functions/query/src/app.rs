//! The function's settings and its clients.

use domain::Span;
use order_client::OrderClient;
use settings::{DELIVERY_ESTIMATE, Environment, LONG_POLLING, READS, SettingError};
use store::Database;

/// The source of an order's state that is read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadSource {
    Workflow,
    Database,
}

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    pub(crate) database: Database,
    pub(crate) default_source: ReadSource,
    pub(crate) long_polling: bool,
    /// Estimate for an order that no worker has received yet; the workflow calculates all others.
    pub(crate) delivery_estimate: Span,
}

impl App {
    /// Reads the settings; the clients can be shared with other functions.
    ///
    /// # Errors
    ///
    /// A setting is invalid.
    pub fn new(orders: OrderClient, database: Database) -> Result<Self, SettingError> {
        let environment = Environment::from_process();
        let default_source = environment.choose(
            &READS,
            &[
                ("workflow", ReadSource::Workflow),
                ("database", ReadSource::Database),
            ],
        )?;
        let delivery_estimate = environment.parse_or_default::<Span>(&DELIVERY_ESTIMATE)?;
        Ok(Self {
            orders,
            database,
            default_source,
            long_polling: environment.is_on(&LONG_POLLING)?,
            delivery_estimate,
        })
    }
}
