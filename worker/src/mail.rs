//! Mails to customers. A loop beside the task queues sends the mails in the outbox.
//!
//! An order never waits for a mail. A step writes a row of the outbox in its own transaction, and
//! [`drain`] sends it at least once, with the same Message-ID on a repeat. Recipients and contents
//! are never logged.

mod drain;
mod letter;
mod message;
mod server;
mod settings;

pub(crate) use drain::drain;
pub use settings::{MailSettings, Smtp};
