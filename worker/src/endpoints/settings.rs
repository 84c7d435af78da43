//! The settings of messages to endpoints.

use std::{sync::Arc, time::Duration};

use aws::EventBus;
use contract::AllowedAddresses;
use settings::{
    ENDPOINT_ADDRESSES, ENDPOINT_DELAY, ENDPOINT_FIRST_PAUSE, ENDPOINT_LONGEST_PAUSE,
    ENDPOINT_RETRY_FOR, Environment, SettingError,
};

/// The addresses that receive messages, the event bus, and the times of attempts.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    pub(super) addresses: AllowedAddresses,
    pub(super) event_bus: Option<Arc<EventBus>>,
    /// The age at which an audit event is final and may be reported.
    pub(super) delay: Duration,
    pub(super) retries: RetrySettings,
}

/// The times of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetrySettings {
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    /// The time without success after which an endpoint is disabled.
    pub(super) retry_for: Duration,
}

impl EndpointSettings {
    pub(crate) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        let meanings = [
            ("public", AllowedAddresses::Public),
            ("any", AllowedAddresses::Any),
        ];
        Ok(Self {
            addresses: environment.choose(&ENDPOINT_ADDRESSES, &meanings)?,
            event_bus: EventBus::from_settings(environment)?.map(Arc::new),
            delay: environment.duration(&ENDPOINT_DELAY)?,
            retries: RetrySettings {
                first_pause: environment.duration(&ENDPOINT_FIRST_PAUSE)?,
                longest_pause: environment.duration(&ENDPOINT_LONGEST_PAUSE)?,
                retry_for: environment.duration(&ENDPOINT_RETRY_FOR)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_allowed_by_default() {
        let read = |pairs: &[(&str, &str)]| {
            EndpointSettings::from_settings(&Environment::from_pairs(pairs.iter().copied()))
        };
        let default = read(&[]).unwrap();
        assert_eq!(default.addresses, AllowedAddresses::Public);
        assert_eq!(
            default.retries.retry_for,
            Duration::from_secs(3 * 24 * 3600)
        );
        let any = read(&[("ENDPOINT_ADDRESSES", "any")]).unwrap();
        assert_eq!(any.addresses, AllowedAddresses::Any);
        for bad in [
            ("ENDPOINT_ADDRESSES", "private"),
            ("ENDPOINT_FIRST_PAUSE", "0s"),
        ] {
            assert_eq!(read(&[bad]).unwrap_err().name(), bad.0);
        }
    }
}
