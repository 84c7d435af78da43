//! The loop that sends the messages in the outbox.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    sync::Arc,
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use reqwest::StatusCode;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    body::build_body,
    event_bus,
    retry::pause_after,
    sender::{Answer, Sender, SignedMessage},
    settings::EndpointSettings,
};
use aws::PutError;
use domain::WebhookProvider;
use payment_webhooks::{Secrets, sign_standard};
use store::{
    PgPool,
    endpoint_outbox::{
        self, ClaimOptions, ClaimedMessage, ClaimedMessages, DeliveryOutcome, Failure,
    },
};

/// The pause after no more messages were due.
const LOOK: Duration = Duration::from_millis(500);
/// The pause after the database was unavailable.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The number of messages that this worker sends to one endpoint at the same time. Each endpoint has its
/// own limit, so a receiver that hangs delays no other.
const AT_ONCE: usize = 16;
/// The time limit of an attempt.
const SEND_TIME: Duration = Duration::from_secs(15);
/// The lease of a message, in which no other worker sends it. After a crash, the message waits for this
/// time. The outcome is recorded before the lease ends.
const LEASE: Duration = Duration::from_secs(25);
/// The number of database connections that outcomes use at the same time.
const RECORDINGS: usize = 8;
const _: () = assert!(SEND_TIME.as_secs() + 5 <= LEASE.as_secs());

/// Sends the messages in the outbox until `stop` is set; messages in progress then have `grace` to
/// finish.
pub(crate) async fn run_outbox(
    pool: PgPool,
    settings: EndpointSettings,
    grace: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let sender = match Sender::new(settings.addresses, SEND_TIME) {
        Ok(sender) => sender,
        Err(error) => {
            tracing::error!("messages to endpoints cannot be sent: {error}");
            return;
        }
    };
    let outbox = Arc::new(Outbox {
        pool,
        sender,
        settings,
        recordings: Semaphore::new(RECORDINGS),
    });
    let mut stopped = stop.clone();
    let stopped = async {
        // An error means that the sender is gone, which stops the loop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
        sleep(grace).await;
    };
    tokio::select! {
        () = send_messages(&outbox, &mut stop) => {}
        () = stopped => tracing::warn!("a message in progress was interrupted; it is sent again after its lease"),
        never = event_bus::register(&outbox.pool, outbox.settings.event_bus.as_deref()) => match never {},
    }
}

/// The messages to one endpoint that this worker is sending.
#[derive(Default)]
struct Busy {
    in_flight: usize,
    /// Whether more messages may be due.
    has_more: bool,
}

async fn send_messages(outbox: &Arc<Outbox>, stop: &mut watch::Receiver<bool>) {
    let mut next_claim = Instant::now();
    // While no worker ran, no lost task could be repeated. So the delay before sending starts now.
    let mut settled_at = next_claim + outbox.settings.delay;
    // After an outage, an outcome does not bring the next claim forward.
    let mut not_before = next_claim;
    let mut busy: BTreeMap<String, Busy> = BTreeMap::new();
    let mut sending = JoinSet::new();
    let mut endpoints = HashMap::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(sent) = sending.join_next_with_id() => {
                let (task, has_next) = match sent {
                    Ok((task, recorded)) => (task, recorded),
                    Err(error) => {
                        tracing::error!("a message to an endpoint could not be sent; its lease postpones it");
                        (error.id(), false)
                    }
                };
                let endpoint_id: Option<String> = endpoints.remove(&task);
                let state = busy.entry(endpoint_id.unwrap_or_default()).or_default();
                state.in_flight = state.in_flight.saturating_sub(1);
                state.has_more |= has_next;
                // Several messages per claim, so that there are fewer claims than messages.
                if state.has_more && state.in_flight <= AT_ONCE / 2 {
                    next_claim = Instant::now().max(not_before);
                }
            }
            () = sleep_until(next_claim) => {
                next_claim = Instant::now() + LOOK;
                busy.retain(|_, state| state.in_flight > 0);
                match outbox.claim(&busy, settled_at).await {
                    Ok(claimed) => {
                        for message in claimed.messages {
                            let endpoint_id = message.endpoint_id.clone();
                            busy.entry(endpoint_id.clone()).or_default().in_flight += 1;
                            let outbox = Arc::clone(outbox);
                            let task = sending.spawn(async move { outbox.send(message).await });
                            endpoints.insert(task.id(), endpoint_id);
                        }
                        for state in busy.values_mut() {
                            state.has_more = state.in_flight >= AT_ONCE;
                        }
                        if claimed.has_postponed {
                            next_claim = Instant::now();
                        }
                    }
                    Err(error) => {
                        tracing::warn!("{}", telemetry::format_error_chain(&error));
                        next_claim = Instant::now() + LOOK_AGAIN;
                        not_before = next_claim;
                        // As after the start.
                        settled_at = Instant::now() + outbox.settings.delay;
                    }
                }
            }
        }
    }
    while sending.join_next().await.is_some() {}
}

struct Outbox {
    pool: PgPool,
    sender: Sender,
    settings: EndpointSettings,
    recordings: Semaphore,
}

impl Outbox {
    /// Claims due messages. It holds leases and no database locks.
    async fn claim(
        &self,
        busy: &BTreeMap<String, Busy>,
        settled_at: Instant,
    ) -> Result<ClaimedMessages, store::Error> {
        let in_flight: Vec<_> = busy
            .iter()
            .map(|(id, state)| (id.clone(), state.in_flight))
            .collect();
        let claim = ClaimOptions {
            settle_time: self.settings.delay,
            only_tests: Instant::now() < settled_at,
            lease: LEASE,
            in_flight: &in_flight,
            limit: AT_ONCE,
        };
        endpoint_outbox::claim_due(&self.pool, &claim).await
    }

    /// Sends one message and records the outcome. Returns whether the next message of its order is due.
    async fn send(&self, message: ClaimedMessage) -> bool {
        let outcome = self.try_send(&message).await;
        // The semaphore is never closed.
        let _permit = self.recordings.acquire().await;
        match endpoint_outbox::record_outcome(&self.pool, &message, &outcome).await {
            Ok(recorded) => {
                if recorded.is_disabled {
                    tracing::error!(
                        endpoint.id = message.endpoint_id,
                        "an endpoint is disabled, and its messages wait; see docs/events.md"
                    );
                }
                recorded.has_next
            }
            Err(error) => {
                // The lease postpones the message, which is then sent again.
                tracing::warn!("{}", telemetry::format_error_chain(&error));
                false
            }
        }
    }

    async fn try_send(&self, message: &ClaimedMessage) -> DeliveryOutcome {
        if message.is_for_event_bus() {
            self.publish(message).await
        } else {
            self.post(message).await
        }
    }

    /// Puts the message on the event bus.
    async fn publish(&self, message: &ClaimedMessage) -> DeliveryOutcome {
        // Only a worker with other settings can have registered the bus.
        let Some(bus) = &self.settings.event_bus else {
            let reason = "the worker has no EVENT_BUS_NAME".to_owned();
            return self.fail(message, None, reason, None);
        };
        let body = match build_body(message) {
            Ok(body) => body,
            Err(error) => return self.fail_to_build(message, &error),
        };
        match event_bus::publish(bus, message, &body, SEND_TIME).await {
            Ok(()) => DeliveryOutcome::Delivered { status: 200 },
            Err(error @ PutError::TooLarge { .. }) => {
                let reason = error.to_string();
                tracing::error!(
                    message.id = message.message_id,
                    "a message to the event bus has failed: {reason}; see docs/events.md"
                );
                let failure = Failure {
                    status: None,
                    reason,
                };
                DeliveryOutcome::Undeliverable { failure }
            }
            Err(PutError::Failed { status, reason }) => {
                tracing::warn!(
                    message.id = message.message_id,
                    "the event bus has not accepted a message: {reason}; see docs/events.md"
                );
                self.fail(message, status, reason, None)
            }
        }
    }

    /// Sends the message to the address of its endpoint.
    async fn post(&self, message: &ClaimedMessage) -> DeliveryOutcome {
        let signed = match sign(message) {
            Ok(signed) => signed,
            Err(error) => return self.fail_to_build(message, &*error),
        };
        match self.sender.send(signed).await {
            Answer::Status { status, .. } if status.is_success() => DeliveryOutcome::Delivered {
                status: status.as_u16(),
            },
            Answer::Status { status, .. } if status == StatusCode::GONE => {
                DeliveryOutcome::Refused {
                    failure: Failure {
                        status: Some(status.as_u16()),
                        reason: "the receiver responded 410 Gone".to_owned(),
                    },
                }
            }
            Answer::Status {
                status,
                retry_after,
            } => {
                let reason = format!("the receiver responded {}", status.as_u16());
                self.fail(message, Some(status.as_u16()), reason, retry_after)
            }
            Answer::None(reason) => self.fail(message, None, reason.to_owned(), None),
        }
    }

    fn fail_to_build(
        &self,
        message: &ClaimedMessage,
        error: &(dyn Error + 'static),
    ) -> DeliveryOutcome {
        let reason = "the message could not be built".to_owned();
        tracing::error!(
            message.id = message.message_id,
            "{reason}: {}",
            telemetry::format_error_chain(error)
        );
        self.fail(message, None, reason, None)
    }

    fn fail(
        &self,
        message: &ClaimedMessage,
        status: Option<u16>,
        reason: String,
        wish: Option<Duration>,
    ) -> DeliveryOutcome {
        let failure = Failure { status, reason };
        let retries = &self.settings.retries;
        let tried_for = Utc::now() - message.retry_since;
        if tried_for > TimeDelta::from_std(retries.retry_for).unwrap_or(TimeDelta::MAX) {
            return DeliveryOutcome::GivenUp { failure };
        }
        let pause = pause_after(message.attempts, retries, rand::random());
        let wish = wish.unwrap_or_default().min(retries.longest_pause);
        DeliveryOutcome::Retry {
            pause: pause.max(wish),
            failure,
        }
    }
}

fn sign(message: &ClaimedMessage) -> Result<SignedMessage<'_>, Box<dyn Error + Send + Sync>> {
    let secrets = message.secrets.iter().map(String::as_str);
    let secrets = Secrets::new(WebhookProvider::Standard, secrets)?;
    let body = build_body(message)?.into_bytes();
    let timestamp = Utc::now().timestamp();
    Ok(SignedMessage {
        url: &message.url,
        message_id: &message.message_id,
        timestamp,
        signatures: sign_standard(&secrets, &message.message_id, timestamp, &body),
        body,
    })
}
