//! The worker's settings.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use crate::{
    Flaky, carrier::CarrierSettings, endpoints::EndpointSettings, mail::MailSettings,
    payment::ProviderSettings, run::LOCAL_SLOTS, status_report::ReportSettings,
    versioning::Versioning,
};
use order_client::TemporalSettings;
use settings::{
    DEFAULT_STOCK, Environment, FLAKY, ORDERFLOW_HEALTH_ADDRESS, PAYMENT_CALLS, Program,
    SettingError, WORKER_QUEUES,
};
use store::Database;

/// The task queues that this worker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queues {
    pub orders: bool,
    pub shipping: bool,
}

#[derive(Debug, Clone)]
pub struct WorkerSettings {
    pub temporal: TemporalSettings,
    pub database: Database,
    pub queues: Queues,
    pub versioning: Versioning,
    /// The address of `GET /health`; `None` serves none.
    pub health: Option<SocketAddr>,
    /// The opening stock of a SKU at its first reservation.
    pub default_stock: i64,
    /// Simulated faults of external calls.
    pub flaky: Option<Flaky>,
    pub payment: ProviderSettings,
    pub carrier: CarrierSettings,
    /// The number of concurrent calls to one payment provider.
    pub payment_calls: usize,
    pub mail: MailSettings,
    pub endpoints: EndpointSettings,
    pub report: ReportSettings,
    /// The time that running activities have after SIGTERM.
    pub grace: Duration,
}

impl WorkerSettings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub fn from_env() -> Result<Self, SettingError> {
        let environment = Environment::from_process();
        environment.check(Program::Worker)?;
        let database = Database::from_env(2 * LOCAL_SLOTS)?;
        let queues = environment.get_or_default(&WORKER_QUEUES);
        let queues = Queues::parse(queues)
            .ok_or_else(|| WORKER_QUEUES.reject(queues, "unknown task queue"))?;
        let health = environment.parse(&ORDERFLOW_HEALTH_ADDRESS)?;
        let default_stock: i64 = environment.parse_or_default(&DEFAULT_STOCK)?;
        if default_stock < 0 {
            return Err(DEFAULT_STOCK.reject(&default_stock.to_string(), "below zero"));
        }
        let flaky = environment
            .get(&FLAKY)
            .map(|text| {
                Flaky::parse(text).ok_or_else(|| FLAKY.reject(text, "not a list of shares"))
            })
            .transpose()?;
        let payment = ProviderSettings::from_settings(&environment)?;
        let payment_calls: NonZeroUsize = environment.parse_or_default(&PAYMENT_CALLS)?;
        let carrier = CarrierSettings::from_settings(&environment)?;
        let mail = MailSettings::from_settings(&environment)?;
        let endpoints = EndpointSettings::from_settings(&environment)?;
        let report = ReportSettings::from_settings(&environment)?;
        let versioning = Versioning::from_settings(&environment)?;
        let temporal = TemporalSettings::from_env()?;
        Ok(Self {
            temporal,
            database,
            queues,
            versioning,
            health,
            default_stock,
            flaky,
            payment,
            carrier,
            payment_calls: payment_calls.get(),
            mail,
            endpoints,
            report,
            grace: Duration::from_secs(10),
        })
    }
}

impl Queues {
    fn parse(text: &str) -> Option<Self> {
        let mut queues = Self {
            orders: false,
            shipping: false,
        };
        for name in text.split(',') {
            match name.trim() {
                "orders" => queues.orders = true,
                "shipping" => queues.shipping = true,
                _ => return None,
            }
        }
        Some(queues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_parsed_by_name() {
        assert_eq!(
            Queues::parse("orders"),
            Some(Queues {
                orders: true,
                shipping: false
            })
        );
        assert_eq!(
            Queues::parse("shipping, orders"),
            Some(Queues {
                orders: true,
                shipping: true
            })
        );
        assert_eq!(Queues::parse(""), None);
        assert_eq!(Queues::parse("orders,mail"), None);
    }
}
