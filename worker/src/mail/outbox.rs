//! The loop that sends the mails in the outbox.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    message,
    server::{SEND_TIME, SendError, Server},
    settings::{MailSettings, Smtp},
};
use contract::OrderView;
use domain::OrderId;
use store::{
    PgPool,
    outbox::{self, ClaimOptions, DueMail, MailOutcome},
};

/// The pause after no more mails were due.
const LOOK: Duration = Duration::from_millis(500);
/// The shorter pause when the next mail of an order has become due.
const LOOK_FOR_NEXT: Duration = Duration::from_millis(100);
/// The interval at which mails are skipped while mail is off.
const LOOK_WHEN_OFF: Duration = Duration::from_secs(2);
/// The number of mails sent at the same time, each on its own connection.
const AT_ONCE: usize = 16;
/// The maximum number of mails of a claim. The next claim follows when fewer than [`AT_ONCE`] of them
/// wait, so a mail that takes long delays no other.
const CLAIM: u32 = 64;
/// The lease of a row, in which no other worker sends the mail. After a crash, the mail waits for
/// this time.
const LEASE: Duration = Duration::from_secs(60);
/// The time after its claim in which a mail may be sent, so that it is sent, and the outcome recorded,
/// before the lease ends.
const MAX_WAIT: Duration = Duration::from_secs(25);
const _: () = assert!(MAX_WAIT.as_secs() + SEND_TIME.as_secs() + 5 <= LEASE.as_secs());
/// The pauses while the server is unavailable; short, so that mails are sent soon after it returns.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pauses of a mail that the server defers.
const FIRST_TRY_AGAIN: Duration = Duration::from_secs(30);
const LAST_TRY_AGAIN: Duration = Duration::from_secs(3600);
/// The pause of a mail whose order could not be read.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// When to give up a deferred mail, as mail servers do (RFC 5321, 4.5.4.1).
const GIVEN_UP_AFTER: chrono::TimeDelta = chrono::TimeDelta::days(5);

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

/// Sends mails continuously: a claim fills the queue while other mails are being sent.
async fn send_mails(pool: &PgPool, smtp: Box<Smtp>, stop: &mut watch::Receiver<bool>) {
    let outbox = Arc::new(Outbox {
        pool: pool.clone(),
        server: Server::new(&smtp, AT_ONCE as u32),
        smtp: *smtp,
        answers: AtomicUsize::new(0),
    });
    tracing::info!(
        host = outbox.smtp.host,
        port = outbox.smtp.port,
        "mail is on"
    );
    // While no worker ran, no lost task could be repeated. So the delay before sending starts now.
    let mut next_claim = Instant::now() + outbox.smtp.delay;
    let mut queue = VecDeque::new();
    let mut sending = JoinSet::new();
    let mut server = ServerState::Unknown;
    // After an outage, an outcome does not bring the next claim forward.
    let mut not_before = next_claim;
    let mut pause = Duration::ZERO;
    loop {
        while sending.len() < AT_ONCE
            && let Some(mail) = queue.pop_front()
        {
            let outbox = Arc::clone(&outbox);
            sending.spawn(async move { outbox.send(mail).await });
        }
        let reason = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(sent) = sending.join_next() => match sent {
                Ok(Sent::Answered { has_next }) => {
                    pause = Duration::ZERO;
                    if has_next {
                        next_claim = next_claim.min(Instant::now() + LOOK_FOR_NEXT).max(not_before);
                    }
                    continue;
                }
                Ok(Sent::NotTried) => continue,
                // One outage ends several mails.
                Ok(Sent::Unavailable(_)) if server == ServerState::Unknown => continue,
                Ok(Sent::Unavailable(reason)) => reason,
                // The lease postpones this mail; the others continue.
                Err(_) => {
                    tracing::error!("a mail could not be built");
                    continue;
                }
            },
            () = sleep_until(next_claim), if queue.len() < AT_ONCE => {
                match outbox.claim(&mut queue).await {
                    Ok(true) => next_claim = Instant::now(),
                    Ok(false) => next_claim = Instant::now() + LOOK,
                    Err(error) => {
                        tracing::warn!("{}", telemetry::format_error_chain(&error));
                        // As after the start.
                        next_claim = Instant::now() + outbox.smtp.delay.max(SHORTEST_PAUSE);
                        not_before = next_claim;
                    }
                }
                if server == ServerState::Available || queue.is_empty() {
                    continue;
                }
                match outbox.server.check_connection().await {
                    Ok(()) => {
                        server = ServerState::Available;
                        continue;
                    }
                    Err(reason) => {
                        tracing::warn!(
                            mails = queue.len(),
                            "the mail server is unavailable; mails wait: {reason}"
                        );
                        reason
                    }
                }
            }
        };
        server = ServerState::Unknown;
        outbox.release(queue.drain(..), Some(&reason)).await;
        pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        next_claim = Instant::now() + pause;
        not_before = next_claim;
    }
    outbox.release(queue.drain(..), None).await;
    while sending.join_next().await.is_some() {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerState {
    /// The connection is checked before the next mail.
    Unknown,
    Available,
}

/// A mail with a lease.
struct ClaimedMail {
    due: DueMail,
    /// A time before the lease began.
    claimed_at: Instant,
}

impl ClaimedMail {
    fn is_late(&self, now: Instant) -> bool {
        now - self.claimed_at > MAX_WAIT
    }
}

/// The result of a try to send a mail.
enum Sent {
    /// The mail server sent a response about the mail. `has_next`: the next mail of the order is due.
    Answered { has_next: bool },
    /// The mail is due again.
    NotTried,
    /// The mail server is unavailable, for this reason.
    Unavailable(String),
}

struct Outbox {
    pool: PgPool,
    server: Server,
    smtp: Smtp,
    /// The number of mails that the server has sent a response about.
    answers: AtomicUsize,
}

impl Outbox {
    /// Claims due mails. It holds leases and no database locks. Returns whether more may be due.
    async fn claim(&self, queue: &mut VecDeque<ClaimedMail>) -> Result<bool, store::Error> {
        let claim = ClaimOptions {
            settle_time: self.smtp.delay,
            lease: LEASE,
            host: self.smtp.from.email.domain(),
            limit: CLAIM,
        };
        let claimed_at = Instant::now();
        let claimed = outbox::claim_due(&self.pool, claim).await?;
        let mails = claimed.mails.into_iter();
        queue.extend(mails.map(|due| ClaimedMail { due, claimed_at }));
        Ok(claimed.is_full)
    }

    /// Returns mails to the outbox, as if they had not been tried.
    async fn release(&self, mails: impl Iterator<Item = ClaimedMail>, reason: Option<&str>) {
        let mails: Vec<_> = mails.map(|mail| mail.due).collect();
        if mails.is_empty() {
            return;
        }
        // Without the database, the leases postpone the mails.
        if let Err(error) = outbox::release(&self.pool, &mails, reason).await {
            tracing::warn!("{}", telemetry::format_error_chain(&error));
        }
    }

    /// Reads an order, and its refunds if the mail is about one.
    async fn read_order(
        &self,
        order_id: &OrderId,
        has_subject: bool,
    ) -> Result<Option<OrderView>, store::Error> {
        let order = store::orders::read_order(&self.pool, order_id).await?;
        match order {
            Some(order) if has_subject => {
                let refunds = store::refunds::list(&self.pool, order_id).await?;
                Ok(Some(OrderView { refunds, ..order }))
            }
            order => Ok(order),
        }
    }

    /// Sends one mail and records the outcome.
    async fn send(&self, mail: ClaimedMail) -> Sent {
        let due = &mail.due;
        let (order_id, kind) = (due.order_id.as_str(), due.kind.as_str());
        let order = match OrderId::parse(order_id) {
            Ok(id) => self.read_order(&id, !due.subject_id.is_empty()).await,
            Err(_) => Ok(None),
        };
        let order = match order {
            Ok(Some(order)) => order,
            // The row of the order is gone; the lease postpones the mail.
            Ok(None) => return Sent::NotTried,
            Err(error) => {
                tracing::warn!(
                    order.id = order_id,
                    kind,
                    "{}",
                    telemetry::format_error_chain(&error)
                );
                let retry = MailOutcome::Retry {
                    pause: READ_AGAIN,
                    reason: "the order could not be read".to_owned(),
                };
                self.record_outcome(due, &retry).await;
                return Sent::NotTried;
            }
        };
        // After the lease, another worker may send the mail.
        if mail.is_late(Instant::now()) {
            self.release(std::iter::once(mail), None).await;
            return Sent::NotTried;
        }
        let answers = self.answers.load(Ordering::Relaxed);
        let outcome = match message::build_message(due, &order, &self.smtp) {
            Ok(message) => match self.server.send(message).await {
                Ok(()) => MailOutcome::Sent,
                Err(SendError::Server(words)) => {
                    tracing::warn!(
                        order.id = order_id,
                        kind,
                        "the mail server did not accept a mail; it waits"
                    );
                    // The server is available if it has accepted or rejected many others in the
                    // meantime. So the cause is this mail, which must not occupy a connection.
                    let others = self.answers.load(Ordering::Relaxed).wrapping_sub(answers);
                    if others < AT_ONCE {
                        self.release(std::iter::once(mail), Some(&words)).await;
                        return Sent::Unavailable(words);
                    }
                    let retry = MailOutcome::Retry {
                        pause: try_again(due.attempts),
                        reason: words,
                    };
                    self.record_outcome(due, &retry).await;
                    return Sent::NotTried;
                }
                Err(SendError::Later(words)) if Utc::now() - due.created_at < GIVEN_UP_AFTER => {
                    MailOutcome::Retry {
                        pause: try_again(due.attempts),
                        reason: words,
                    }
                }
                Err(SendError::Later(words) | SendError::Refused(words)) => {
                    MailOutcome::Rejected(words)
                }
            },
            Err(error) => MailOutcome::Rejected(error.to_string()),
        };
        self.answers.fetch_add(1, Ordering::Relaxed);
        // Without the server's message, which can contain the recipient; the row has the message.
        match &outcome {
            MailOutcome::Sent => tracing::info!(order.id = order_id, kind, "mail sent"),
            MailOutcome::Retry { .. } => {
                tracing::warn!(
                    order.id = order_id,
                    kind,
                    due.attempts,
                    "the mail server deferred a mail; it waits"
                )
            }
            MailOutcome::Rejected(_) => tracing::warn!(
                order.id = order_id,
                kind,
                "the mail server rejected a mail permanently; its row in notifications has the reason"
            ),
        }
        let has_next = self.record_outcome(due, &outcome).await;
        Sent::Answered { has_next }
    }

    /// Records the outcome of a mail, with a few tries, because a mail without a recorded outcome
    /// is sent again. Returns whether the next mail of the order is due.
    async fn record_outcome(&self, due: &DueMail, outcome: &MailOutcome) -> bool {
        for _ in 0..5 {
            match outbox::record_outcome(&self.pool, due, outcome).await {
                Ok(has_next) => return has_next,
                Err(error) => tracing::warn!("{}", telemetry::format_error_chain(&error)),
            }
            sleep(Duration::from_secs(1)).await;
        }
        false
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
    fn mail_is_late_before_its_lease_can_end() {
        let due = DueMail {
            id: 1,
            order_id: "order-1".to_owned(),
            kind: "order_received".to_owned(),
            subject_id: String::new(),
            recipient: "john@example.com".to_owned(),
            message_id: "1@shop.example".to_owned(),
            attempts: 1,
            created_at: Utc::now(),
            lease_end: Utc::now(),
        };
        let claimed_at = Instant::now();
        let mail = ClaimedMail { due, claimed_at };
        let last = claimed_at + MAX_WAIT;
        assert!(!mail.is_late(last));
        assert!(mail.is_late(last + Duration::from_millis(1)));
    }

    #[test]
    fn a_mail_that_is_put_off_waits_longer_each_time_but_never_longer_than_an_hour() {
        let pauses: Vec<u64> = [1, 2, 3, 8, 100]
            .map(|attempts| try_again(attempts).as_secs())
            .to_vec();
        assert_eq!(pauses, [30, 60, 120, 3600, 3600]);
    }
}
