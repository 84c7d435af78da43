//! The mail server, and the meaning of its responses.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{Error, PoolConfig},
};
use tokio::time::timeout;

use super::settings::Smtp;

/// The time limit for one mail; well below the lease of its row.
pub(super) const SEND_TIME: Duration = Duration::from_secs(30);
/// The longest silence of the server.
const SILENCE: Duration = Duration::from_secs(10);

/// The reason why a mail was not sent. The text can contain the recipient, so it is stored in the row and
/// never logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendError {
    /// A problem of the server: it is unavailable, silent, or rejects the login. It can return at
    /// any time.
    Server(String),
    /// A temporary problem of this mail.
    Later(String),
    /// A permanent problem of this mail.
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

    /// Returns whether the server accepts connections and the login, else the reason in words that
    /// may be logged.
    pub(super) async fn check_connection(&self) -> Result<(), String> {
        match timeout(SEND_TIME, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server sent an unexpected response".to_owned()),
            Ok(Err(error)) => Err(match error.status() {
                Some(code) => format!("it answers {code}"),
                None => error.to_string(),
            }),
            Err(_) => Err(format!("no response within {SEND_TIME:?}")),
        }
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), SendError> {
        match timeout(SEND_TIME, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(classify_error(&error)),
            Err(_) => Err(SendError::Server(format!(
                "no response within {SEND_TIME:?}"
            ))),
        }
    }
}

fn classify_error(error: &Error) -> SendError {
    let words = error.to_string();
    let code = error.status().map(u16::from);
    match code {
        // The server closes the connection, accepts no mail at all, or rejects the login; the mail
        // is not the cause.
        Some(421 | 454 | 521 | 530 | 534 | 535 | 538) => SendError::Server(words),
        Some(_) if error.is_permanent() => SendError::Refused(words),
        Some(_) => SendError::Later(words),
        // For example, the server does not support this address.
        None if error.is_client() => SendError::Refused(words),
        None => SendError::Server(words),
    }
}
