//! The mail server, and what its answers mean.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{Error, PoolConfig},
};
use tokio::time::timeout;

use super::settings::Smtp;

/// How long one mail may take in all: well within the lease of its row.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the server may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// What kept a mail from going out, in words that may name its recipient: for the row, never for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// With the server, whatever the mail: away, silent, or it does not let us in. It may be back at any time.
    Server(String),
    /// With this mail, for now.
    Later(String),
    /// With this mail, for good.
    Refused(String),
}

pub(super) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Server {
    pub(super) fn new(smtp: &Smtp, connections: u32) -> Self {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
            .port(smtp.port)
            .tls(smtp.tls.clone())
            .timeout(Some(SILENCE))
            .pool_config(
                PoolConfig::new()
                    .max_size(connections)
                    .idle_timeout(Duration::from_secs(30)),
            );
        let builder = match &smtp.credentials {
            Some(credentials) => builder.credentials(credentials.clone()),
            None => builder,
        };
        Self {
            transport: builder.build(),
        }
    }

    /// Whether the server is there and lets us in; else why not, in words that may be logged.
    pub(super) async fn reach(&self) -> Result<(), String> {
        match timeout(ANSWER, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server does not answer as it should".to_owned()),
            Ok(Err(error)) => Err(match error.status() {
                Some(code) => format!("it answers {code}"),
                None => error.to_string(),
            }),
            Err(_) => Err(format!("no answer within {ANSWER:?}")),
        }
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), Trouble> {
        match timeout(ANSWER, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(trouble(&error)),
            Err(_) => Err(Trouble::Server(format!("no answer within {ANSWER:?}"))),
        }
    }
}

fn trouble(error: &Error) -> Trouble {
    let words = error.to_string();
    let code = error.status().map(u16::from);
    match code {
        // It closes, wants no mail at all, or does not let us in: nothing that this mail could help.
        Some(421 | 454 | 521 | 530 | 534 | 535 | 538) => Trouble::Server(words),
        Some(_) if error.is_permanent() => Trouble::Refused(words),
        Some(_) => Trouble::Later(words),
        // The server can't carry this address, for example.
        None if error.is_client() => Trouble::Refused(words),
        None => Trouble::Server(words),
    }
}
