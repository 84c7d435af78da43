//! The event bus of AWS, which receives the messages that endpoints receive.

use std::{convert::Infallible, time::Duration};

use tokio::time::{sleep, timeout};

use aws::{BusEvent, EventBus, PutError};
use store::{PgPool, endpoint_outbox::ClaimedMessage, endpoints};

/// The source of all events, by which rules select them.
const SOURCE: &str = "orderflow";

/// The pause between two registrations. A worker with another name may have changed the bus, and a
/// caller may have deleted it.
const REGISTER_AGAIN: Duration = Duration::from_secs(60);
/// The pause after the database was unavailable.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Registers the bus in the outbox repeatedly. Without a bus, changes nothing: during a
/// deployment, another worker may have one.
pub(super) async fn register(pool: &PgPool, bus: Option<&EventBus>) -> Infallible {
    let Some(bus) = bus else {
        return std::future::pending().await;
    };
    loop {
        match endpoints::set_event_bus(pool, bus.name()).await {
            Ok(()) => sleep(REGISTER_AGAIN).await,
            Err(error) => {
                tracing::warn!("{}", telemetry::format_error_chain(&error));
                sleep(TRY_AGAIN).await;
            }
        }
    }
}

/// Puts a message with this body on the bus.
pub(super) async fn publish(
    bus: &EventBus,
    message: &ClaimedMessage,
    body: &str,
    limit: Duration,
) -> Result<(), PutError> {
    let event = BusEvent {
        source: SOURCE,
        detail_type: &message.kind,
        detail: body,
        // The id of the event differs in each attempt; this one does not.
        resource: &message.message_id,
    };
    match timeout(limit, bus.put(&event)).await {
        Ok(result) => result,
        Err(_) => Err(PutError::Failed {
            status: None,
            reason: "no response in time".to_owned(),
        }),
    }
}
