//! The worker's settings, from the environment.

use std::{env, net::SocketAddr, time::Duration};

use crate::{
    Flaky, flaky, mail::MailSettings, payment::ProviderSettings, report::ReportSettings,
    run::SLOTS_OF_A_QUEUE, versioning::Versioning,
};
use domain::SettingError;
use order_client::TemporalSettings;
use store::Database;

/// Which task queues this worker serves.
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
    /// Where `GET /health` answers; nowhere when not set.
    pub health: Option<SocketAddr>,
    /// The stock that a sku never seen opens with.
    pub default_stock: i64,
    /// Calls that are made to fail or hang; none when not set.
    pub flaky: Option<Flaky>,
    pub payment: ProviderSettings,
    pub mail: MailSettings,
    pub report: ReportSettings,
    /// How long running activities may go on after SIGTERM.
    pub grace: Duration,
}

impl WorkerSettings {
    pub fn from_env() -> Result<Self, SettingError> {
        let get = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let refused = |name: &str, value: String, allowed: &str| SettingError {
            name: name.to_owned(),
            value,
            allowed: allowed.to_owned(),
        };
        let database = Database::from_env(2 * SLOTS_OF_A_QUEUE)?;
        let queues = get("WORKER_QUEUES").unwrap_or_else(|| "orders,shipping".to_owned());
        let queues = Queues::parse(&queues).ok_or_else(|| {
            refused(
                "WORKER_QUEUES",
                queues,
                "must be orders, shipping or orders,shipping",
            )
        })?;
        let health = match get("ORDERFLOW_HEALTH_ADDRESS") {
            Some(address) => Some(address.parse().map_err(|_| {
                refused(
                    "ORDERFLOW_HEALTH_ADDRESS",
                    address,
                    "must be IP:PORT such as 0.0.0.0:8081",
                )
            })?),
            None => None,
        };
        let default_stock = match get("DEFAULT_STOCK") {
            Some(stock) => stock
                .parse()
                .ok()
                .filter(|stock| *stock >= 0)
                .ok_or_else(|| refused("DEFAULT_STOCK", stock, "must be a whole number from 0"))?,
            None => 0,
        };
        let flaky = match get("FLAKY") {
            Some(text) => {
                Some(Flaky::parse(&text).ok_or_else(|| refused("FLAKY", text, flaky::ALLOWED))?)
            }
            None => None,
        };
        let payment = ProviderSettings::from_settings(get)?;
        let mail = MailSettings::from_settings(get)?;
        let report = ReportSettings::read(get)?;
        let versioning = Versioning::read(get)?;
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
            mail,
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
    fn queues_are_named_by_what_they_serve() {
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
