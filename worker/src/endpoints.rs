//! Messages about orders to other systems. A loop beside the task queues sends the messages in the
//! outbox.
//!
//! An order never waits for a receiver, and one endpoint never waits for another. Addresses, secrets and
//! contents are never logged. An event bus of AWS is an endpoint that the worker's settings create.

mod body;
mod event_bus;
mod outbox;
mod retry;
mod sender;
mod settings;

pub(crate) use outbox::run_outbox;
pub use settings::EndpointSettings;
