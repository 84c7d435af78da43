//! The loop that sends the mails in the outbox.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    message,
    server::{SendError, Server},
    settings::{MailSettings, Smtp},
};
use domain::OrderId;
use store::{
    PgPool,
    outbox::{self, ClaimOptions, DueMail, MailOutcome},
};

/// The pause after the outbox was empty.
const LOOK: Duration = Duration::from_millis(500);
/// The interval at which mails are skipped while mail is off.
const LOOK_WHEN_OFF: Duration = Duration::from_secs(2);
/// The number of mails sent at the same time, each on its own connection.
const AT_ONCE: u32 = 8;
/// The lease of a row: longer than one mail takes, so that no other worker sends it. After a crash,
/// the mail waits for this time.
const LEASE: Duration = Duration::from_secs(60);
/// The pauses while the server is unavailable; short, so that mails are sent soon after it returns.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pauses of a mail that the server defers.
const FIRST_TRY_AGAIN: Duration = Duration::from_secs(30);
const LAST_TRY_AGAIN: Duration = Duration::from_secs(3600);
/// When to give up a deferred mail, as mail servers do (RFC 5321, 4.5.4.1).
const GIVEN_UP_AFTER: chrono::TimeDelta = chrono::TimeDelta::days(5);

/// The result of one pass over the outbox.
enum Pass {
    /// There may be more mails.
    Sent,
    Empty,
    /// The mail server is unavailable.
    Unreachable,
    /// The outbox could not be read.
    Blind,
}

/// Sends the mails in the outbox until `stop` is set; mails in progress then have `grace` to
/// finish.
pub(crate) async fn run_outbox(
    pool: PgPool,
    settings: MailSettings,
    grace: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut stopped = stop.clone();
    let stopped = async {
        // An error means that the sender is gone, which stops the loop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
        sleep(grace).await;
    };
    let drained = async {
        match settings {
            MailSettings::NotSet => tracing::warn!(
                "SMTP_URL: not set, so this worker leaves mails pending; set SMTP_URL and MAIL_FROM to \
                 send them, or MAIL=off to discard them"
            ),
            MailSettings::Off => skip_mails(&pool, &mut stop).await,
            MailSettings::Smtp(smtp) => send_mails(&pool, smtp, &mut stop).await,
        }
    };
    tokio::select! {
        () = drained => {}
        () = stopped => tracing::warn!("a mail in progress was interrupted; it is sent again after its lease"),
    }
}

/// Waits; returns `false` when the loop must stop.
async fn wait_or_stop(pause: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(pause, stop.wait_for(|stop| *stop))
        .await
        .is_err()
}

async fn skip_mails(pool: &PgPool, stop: &mut watch::Receiver<bool>) {
    tracing::info!("mail is off: mails are recorded as skipped");
    loop {
        if let Err(error) = outbox::skip_pending(pool, "mail is off (MAIL=off)").await {
            tracing::warn!("{}", telemetry::format_error_chain(&error));
        }
        if !wait_or_stop(LOOK_WHEN_OFF, stop).await {
            return;
        }
    }
}

async fn send_mails(pool: &PgPool, smtp: Box<Smtp>, stop: &mut watch::Receiver<bool>) {
    let outbox = Arc::new(Outbox {
        pool: pool.clone(),
        server: Server::new(&smtp, AT_ONCE),
        smtp: *smtp,
    });
    tracing::info!(
        host = outbox.smtp.host,
        port = outbox.smtp.port,
        "mail is on"
    );
    // While no worker ran, no lost task could be repeated. So the delay before sending starts now.
    let settle = outbox.smtp.delay;
    let (mut pause, mut away) = (settle, Duration::ZERO);
    while wait_or_stop(pause, stop).await {
        pause = match outbox.send_due().await {
            Pass::Sent => {
                away = Duration::ZERO;
                Duration::ZERO
            }
            Pass::Empty => LOOK,
            Pass::Unreachable => {
                away = (away * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                away
            }
            // The same for a database that was unavailable.
            Pass::Blind => settle.max(SHORTEST_PAUSE),
        };
    }
}

struct Outbox {
    pool: PgPool,
    server: Server,
    smtp: Smtp,
}

impl Outbox {
    /// Sends the due mails, some at the same time. It holds leases and no database locks.
    async fn send_due(self: &Arc<Self>) -> Pass {
        let claim = ClaimOptions {
            settle_time: self.smtp.delay,
            lease: LEASE,
            host: self.smtp.from.email.domain(),
            limit: AT_ONCE,
        };
        let due = match outbox::claim_due(&self.pool, claim).await {
            Ok(due) if due.is_empty() => return Pass::Empty,
            Ok(due) => due,
            Err(error) => {
                tracing::warn!("{}", telemetry::format_error_chain(&error));
                return Pass::Blind;
            }
        };
        if let Err(words) = self.server.check_connection().await {
            tracing::warn!(
                mails = due.len(),
                "the mail server is unavailable; mails wait: {words}"
            );
            for due in &due {
                self.record_outcome(due, &as_before(due, &words)).await;
            }
            return Pass::Unreachable;
        }
        let mut sending = JoinSet::new();
        for due in due {
            let outbox = Arc::clone(self);
            sending.spawn(async move { outbox.send(&due).await });
        }
        let mut look = Pass::Sent;
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok(true) => {}
                Ok(false) => look = Pass::Unreachable,
                // The lease postpones this mail; the others continue.
                Err(_) => tracing::error!("a mail could not be built"),
            }
        }
        look
    }

    /// Sends one mail and records the outcome; returns `false` if the server itself was the
    /// problem.
    async fn send(&self, due: &DueMail) -> bool {
        let (order_id, kind) = (due.order_id.as_str(), due.kind.as_str());
        let view = async {
            store::orders::read_order(&self.pool, &OrderId::parse(order_id).ok()?)
                .await
                .ok()
                .flatten()
        };
        // The row is gone or the database is unavailable; the lease postpones the mail.
        let Some(order) = view.await else { return true };
        let fate = match message::build_message(due, &order, &self.smtp) {
            Ok(message) => match self.server.send(message).await {
                Ok(()) => MailOutcome::Sent,
                Err(SendError::Server(words)) => {
                    tracing::warn!(
                        order.id = order_id,
                        kind,
                        "the mail server did not accept a mail; it waits"
                    );
                    self.record_outcome(due, &as_before(due, &words)).await;
                    return false;
                }
                Err(SendError::Later(words)) if Utc::now() - due.created_at < GIVEN_UP_AFTER => {
                    MailOutcome::Retry {
                        pause: try_again(due.attempts),
                        attempts: due.attempts,
                        reason: words,
                    }
                }
                Err(SendError::Later(words) | SendError::Refused(words)) => {
                    MailOutcome::Rejected(words)
                }
            },
            Err(error) => MailOutcome::Rejected(error.to_string()),
        };
        // Without the server's message, which can contain the recipient; the row has the message.
        match &fate {
            MailOutcome::Sent => tracing::info!(order.id = order_id, kind, "mail sent"),
            MailOutcome::Retry { .. } => {
                tracing::warn!(
                    order.id = order_id,
                    kind,
                    due.attempts,
                    "the mail server deferred a mail; it waits"
                )
            }
            MailOutcome::Rejected(_) => tracing::error!(
                order.id = order_id,
                kind,
                "the mail server rejected a mail permanently; its row in notifications has the reason"
            ),
        }
        self.record_outcome(due, &fate).await;
        true
    }

    /// Records the outcome of a mail, with a few tries, because a mail without a recorded outcome
    /// is sent again.
    async fn record_outcome(&self, due: &DueMail, fate: &MailOutcome) {
        for _ in 0..5 {
            match outbox::record_outcome(&self.pool, due.id, fate).await {
                Ok(()) => return,
                Err(error) => tracing::warn!("{}", telemetry::format_error_chain(&error)),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// As if the mail had not been tried, because the server was the problem.
fn as_before(due: &DueMail, words: &str) -> MailOutcome {
    MailOutcome::Retry {
        pause: Duration::ZERO,
        attempts: due.attempts - 1,
        reason: words.to_owned(),
    }
}

fn try_again(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or_default().min(16);
    (FIRST_TRY_AGAIN * 2_u32.pow(doublings)).min(LAST_TRY_AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_that_is_put_off_waits_longer_each_time_but_never_longer_than_an_hour() {
        let pauses: Vec<u64> = [1, 2, 3, 8, 100]
            .map(|attempts| try_again(attempts).as_secs())
            .to_vec();
        assert_eq!(pauses, [30, 60, 120, 3600, 3600]);
    }
}
