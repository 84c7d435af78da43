//! The outcomes of requests, as the order returns them to callers and writes them to the audit log.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{OrderWorkflow, request_name};
use crate::Message;
use contract::{
    ChangedItems, LineItemView, PaymentConfirmation, RefusalCode, ReportedPayment, RequestOrigin,
    UpdateOutcome,
};
use domain::{AuditEventType, Money, Notes, PaymentStatus};

impl OrderWorkflow {
    /// Returns the request of a signal. A malformed signal becomes an audit event instead.
    pub(super) fn accept_message<T>(
        &mut self,
        request: &str,
        message: Message<T>,
        now: DateTime<Utc>,
    ) -> Option<T> {
        match message {
            Message::Valid(request) => Some(request),
            Message::Malformed(reason) => {
                let payload =
                    json!({"request": request, "code": RefusalCode::Malformed, "detail": reason});
                self.caused_by(Some(RequestOrigin::temporal()), |order| {
                    order.append_audit_event(AuditEventType::RequestRefused, payload, now);
                });
                None
            }
        }
    }

    /// Appends a refusal to the audit log.
    pub(super) fn audit_refusal(&mut self, request: &str, code: &str, now: DateTime<Utc>) {
        let status = self.state.status();
        self.append_audit_event(
            AuditEventType::RequestRefused,
            json!({"request": request, "code": code, "status": status}),
            now,
        );
    }

    /// Appends the refusal of a payment confirmation, which names the money.
    pub(super) fn audit_refused_payment(
        &mut self,
        confirmation: &PaymentConfirmation,
        code: RefusalCode,
        recorded: Option<Money>,
        now: DateTime<Utc>,
    ) {
        let mut payload = json!({
            "request": request_name::CONFIRM_PAYMENT,
            "code": code,
            "status": self.state.status(),
            "transaction_id": confirmation.transaction_id,
            "amount": confirmation.amount,
        });
        if let Some(recorded) = recorded {
            payload["recorded_amount"] = json!(recorded.decimal());
        }
        self.append_audit_event(AuditEventType::RequestRefused, payload, now);
    }

    pub(super) fn refuse_request(
        &mut self,
        request: &str,
        code: RefusalCode,
        detail: &str,
        now: DateTime<Utc>,
    ) -> UpdateOutcome {
        // The audit log of a closed order is complete and takes no refusals.
        if self.state.is_running() {
            self.audit_refusal(request, code.as_str(), now);
        }
        self.refusal(code, detail)
    }

    pub(super) fn refusal(&self, code: RefusalCode, detail: &str) -> UpdateOutcome {
        UpdateOutcome::Refused {
            code,
            detail: detail.to_owned(),
            status: self.state.status(),
            payment: None,
        }
    }

    /// Refuses a payment confirmation, and names the payment that it reports.
    pub(super) fn payment_refusal(
        &self,
        code: RefusalCode,
        detail: String,
        payment: ReportedPayment,
    ) -> UpdateOutcome {
        UpdateOutcome::Refused {
            code,
            detail,
            status: self.state.status(),
            payment: Some(payment),
        }
    }

    pub(super) fn malformed_refusal(&self, reason: String) -> UpdateOutcome {
        UpdateOutcome::Refused {
            code: RefusalCode::Malformed,
            detail: reason,
            status: self.state.status(),
            payment: None,
        }
    }

    pub(super) fn success(&self, message: &str, already: bool) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.state.status(),
            step: self.state.step(),
            message: message.to_owned(),
            already,
            shipping_address: None,
            notes: None,
            items: None,
            seq: Some(self.state.last_seq()),
        }
    }

    pub(super) fn items_success(&self, already: bool) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.state.status(),
            step: self.state.step(),
            message: "Items updated.".to_owned(),
            already,
            shipping_address: None,
            notes: None,
            items: self.state.order.as_ref().map(|order| {
                Box::new(ChangedItems {
                    items: order.lines.iter().map(LineItemView::from).collect(),
                    total_amount: order.total.decimal(),
                })
            }),
            seq: Some(self.state.last_seq()),
        }
    }

    pub(super) fn still_undecided(&self, message: &str) -> UpdateOutcome {
        UpdateOutcome::Undecided {
            status: self.state.status(),
            message: message.to_owned(),
        }
    }

    pub(super) fn address_success(&self, already: bool) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.state.status(),
            step: self.state.step(),
            message: "Shipping address updated.".to_owned(),
            already,
            shipping_address: self
                .state
                .order
                .as_ref()
                .and_then(|order| order.shipping_address.clone())
                .map(Box::new),
            notes: None,
            items: None,
            seq: Some(self.state.last_seq()),
        }
    }

    pub(super) fn notes_success(&self, notes: Notes, already: bool) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.state.status(),
            step: self.state.step(),
            message: "Order updated.".to_owned(),
            already,
            shipping_address: None,
            notes: Some(Box::new(notes)),
            items: None,
            seq: Some(self.state.last_seq()),
        }
    }

    pub(super) fn payment_cancel_success(&self, already: bool) -> UpdateOutcome {
        let status = self.state.payment.as_ref().map(|payment| payment.status);
        let message = match status {
            Some(PaymentStatus::Refunding) => "Payment cancelled. The refund is in progress.",
            Some(PaymentStatus::RefundDue) => {
                "Payment cancelled. An operator must refund it, because the provider cannot."
            }
            Some(PaymentStatus::Declined) => "Payment cancelled. No money was captured.",
            _ => "Payment cancelled and refunded.",
        };
        self.success(message, already)
    }
}
