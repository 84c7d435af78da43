//! Refunds that the shop makes while the order is open. The refund's own workflow pays them; the
//! order writes their audit events and keeps its copies of the transactions up to date.

use chrono::{DateTime, Utc};

use super::OrderWorkflow;
use crate::RefundNotice;

impl OrderWorkflow {
    /// Notes the state of the ledger and appends the audit event, once. The refund sends the notice
    /// again until the database has the event.
    pub(super) fn note_refund(&mut self, notice: RefundNotice, now: DateTime<Utc>) {
        for transaction in notice.transactions {
            self.note_transaction(transaction, now);
        }
        let is_known = self.events.iter().any(|event| {
            event.kind == notice.kind && event.payload["refund_id"] == notice.payload["refund_id"]
        });
        // After the order's last event, the refund writes into the audit log itself.
        if self.state.is_running() && !is_known {
            self.append_audit_event(notice.kind, notice.payload, now);
        }
    }
}
