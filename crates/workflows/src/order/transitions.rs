//! Changes of an order's state, each with its audit event, and their preparation for the database.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{OrderStopped, OrderWorkflow, Progress};
use crate::activity::{LostRows, PendingWrite};
use contract::RequestOrigin;
use domain::{AuditEventType, Failure, FailureCode, OrderStatus, Step, VERSIONS_PER_HISTORY_EVENT};

/// The reasons of a request or of a cancellation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reasons {
    /// For the shop.
    pub(super) internal: Option<String>,
    /// For the customer.
    pub(super) public: Option<String>,
}

impl Reasons {
    /// Returns the reasons of a cancellation by the order itself.
    pub(super) fn of_order(internal: String, public: &str) -> Self {
        Self {
            internal: Some(internal),
            public: Some(public.to_owned()),
        }
    }

    /// Returns the reason of a cancellation that only the shop reads.
    pub(super) fn internal(internal: Option<String>) -> Self {
        Self {
            internal,
            public: None,
        }
    }

    /// Returns the payload of an audit event with the reasons.
    pub(super) fn add_to(&self, mut payload: serde_json::Value) -> serde_json::Value {
        payload["reason"] = json!(self.internal);
        if let Some(public) = &self.public {
            payload["public_reason"] = json!(public);
        }
        payload
    }
}

impl OrderWorkflow {
    pub(super) fn append_audit_event(
        &mut self,
        kind: AuditEventType,
        payload: serde_json::Value,
        now: DateTime<Utc>,
    ) {
        let payload = RequestOrigin::added_to(payload, self.origin.as_ref());
        let event = self.state.append_audit_event(kind, payload, now);
        self.events.push(event);
        if self.state.shipment.is_none() {
            self.state.estimated_delivery =
                (!self.is_stopped()).then(|| now + self.policy.delivery_estimate.duration());
        }
    }

    /// Makes a change that a request or an event causes. The audit events of the change name its
    /// sender.
    pub(super) fn caused_by<T>(
        &mut self,
        origin: Option<RequestOrigin>,
        change: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = std::mem::replace(&mut self.origin, origin);
        let result = change(self);
        self.origin = outer;
        result
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(
            self.state.status(),
            OrderStatus::Cancelled | OrderStatus::Failed
        )
    }

    /// Returns whether the order can decide requests that need its content.
    pub(super) fn is_validated_or_stopped(&self) -> bool {
        self.state.order.is_some() || self.is_stopped()
    }

    /// Cancels the order. The state machine has no transition out of `cancelled`.
    pub(super) fn transition_to_cancelled(
        &mut self,
        reasons: Reasons,
        by: &str,
        now: DateTime<Utc>,
    ) {
        if self.state.transition_to(OrderStatus::Cancelled).is_ok() {
            self.state.enter_step(Step::Compensate);
            self.state.waiting_for = None;
            let payload = reasons.add_to(json!({"by": by}));
            let Reasons { internal, public } = reasons;
            self.state.cancellation_reason = internal.or_else(|| Some(by.to_owned()));
            self.state.public_reason = public;
            self.append_audit_event(AuditEventType::OrderCancelled, payload, now);
        }
    }

    /// Marks the order as failed. The state machine has no transition out of `failed`.
    pub(super) fn transition_to_failed(
        &mut self,
        code: FailureCode,
        detail: String,
        now: DateTime<Utc>,
    ) {
        if self.state.transition_to(OrderStatus::Failed).is_ok() {
            self.state.enter_step(Step::Compensate);
            self.state.waiting_for = None;
            self.append_audit_event(
                AuditEventType::OrderFailed,
                json!({"code": code, "detail": detail}),
                now,
            );
            self.state.failure = Some(Failure {
                code,
                detail,
                shortages: Vec::new(),
            });
        }
    }

    /// Moves the order to the next status and step.
    pub(super) fn advance_to(&mut self, status: OrderStatus, step: Step) -> Progress {
        self.state.transition_to(status).map_err(|_| OrderStopped)?;
        self.state.enter_step(step);
        Ok(())
    }

    /// Returns whether the database may lack audit events.
    pub(super) fn has_unsaved_events(&self) -> bool {
        self.saved_seq < self.state.last_seq()
    }

    /// Returns the number of audit events that the database may lack.
    pub(super) fn unsaved_events(&self) -> usize {
        self.state.last_seq().saturating_sub(self.saved_seq) as usize
    }

    /// Notes that the database has the events up to number `seq`.
    pub(super) fn note_saved(&mut self, seq: u32) {
        self.saved_seq = self.saved_seq.max(seq);
    }

    /// Notes that the database has only the events up to number `seq`.
    pub(super) fn note_lost(&mut self, seq: u32) {
        self.saved_seq = self.saved_seq.min(seq);
    }

    /// Gives up all unsaved events. The audit log belongs to another order.
    pub(super) fn drop_unsaved_events(&mut self) {
        self.saved_seq = self.state.last_seq();
    }

    /// Returns the state and the audit events that the next activity must write.
    ///
    /// The version increases with the history. A task that is lost before Temporal stores its
    /// commands may have written to the database. Everything that the replacement task writes is
    /// newer: it has a higher version, or the same one and a later task time.
    pub(super) fn prepare_write(
        &mut self,
        history_length: u32,
        task_time: DateTime<Utc>,
    ) -> PendingWrite {
        self.version =
            (self.version + 1).max(history_length.saturating_mul(VERSIONS_PER_HISTORY_EVENT));
        let unsaved = self
            .events
            .iter()
            .filter(|event| event.seq > self.saved_seq);
        PendingWrite {
            record: self.state.clone(),
            version: self.version,
            events: unsaved.cloned().collect(),
            chain_id: Some(self.chain_id.clone()),
            task_time: Some(task_time),
            parcel: None,
            lost: None,
        }
    }

    /// Returns the order's rows in other tables that a restored database may lack.
    pub(super) fn restorable_rows(&self) -> LostRows {
        let holds_stock = self.is_reserved && self.state.shipment.is_none();
        LostRows {
            transactions: self.payments.transactions().to_vec(),
            reserved: holds_stock
                .then(|| self.state.order.as_ref().map(|order| order.lines.clone()))
                .flatten()
                .unwrap_or_default(),
        }
    }
}
