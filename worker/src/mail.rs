//! Mails to customers: the outbox, drained by a loop beside the task queues.
//!
//! Orders never wait for mail: a step writes a row of the outbox in its own transaction, and [`drain`] sends what is
//! there, at least once, with a Message-ID that is the same on a repeat. Never in a log: whom it goes to, what is in it.

mod drain;
mod letter;
mod message;
mod server;
mod settings;

pub(crate) use drain::drain;
pub use settings::{MailSettings, Smtp};
