//! Mails to customers. A loop beside the task queues sends the mails in the outbox.
//!
//! An order never waits for a mail. A step writes a row of the outbox in its own transaction, and
//! [`drain`] sends it at least once, with the same Message-ID on a repeat. Recipients and contents
//! are never logged.

mod message;
mod outbox;
mod server;
mod settings;
mod template;

pub(crate) use outbox::run_outbox;
pub use settings::{MailSettings, Smtp};
