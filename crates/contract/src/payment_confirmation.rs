//! A request to record a payment of another gateway.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Fields, RefusalCode, Request, schema};
use domain::{
    Currency, Decimal, Money, OrderId, PaymentEvent, PaymentStatus, Transaction, TransactionId,
    WebhookProvider, string_enum,
};

string_enum! {
    /// The payment that a refused confirmation reports.
    ReportedPayment {
        /// orderflow has not taken the payment. Its refund is the task of the caller.
        NotTaken => "not_taken",
        /// The payment pays this order or another one.
        Taken => "taken",
        /// orderflow refunds the payment.
        Refunding => "refunding",
        Refunded => "refunded",
        /// An operator refunds the payment.
        RefundDue => "refund_due",
        /// The customer's bank has taken the money back.
        Lost => "lost",
    }
}

impl ReportedPayment {
    /// Returns the payment of a transaction that the ledger has. `is_stopped`: its order was
    /// cancelled or has failed, so the money is refunded.
    pub fn of(transaction: &Transaction, is_stopped: bool) -> Self {
        let balance = &transaction.balance;
        match balance.status(true) {
            PaymentStatus::Refunded => Self::Refunded,
            PaymentStatus::Refunding => Self::Refunding,
            PaymentStatus::RefundDue => Self::RefundDue,
            PaymentStatus::Captured | PaymentStatus::Declined
                if balance.captured > 0 && balance.rest() == 0 =>
            {
                Self::Lost
            }
            PaymentStatus::Captured | PaymentStatus::Pending if is_stopped => Self::Refunding,
            PaymentStatus::Captured | PaymentStatus::Pending => Self::Taken,
            PaymentStatus::Declined => Self::NotTaken,
        }
    }
}

/// A confirmation that the customer has paid through another gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentConfirmation {
    pub transaction_id: TransactionId,
    pub amount: Decimal,
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub payment_method: Option<String>,
    /// The provider whose signed webhook event confirmed the payment. A request cannot set this
    /// field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<WebhookProvider>,
}

impl PaymentConfirmation {
    /// Returns the payment event of this confirmation, which the order refused. Without a currency,
    /// the amount is in the currency of the order.
    pub fn refused_report(
        &self,
        order_id: &OrderId,
        code: RefusalCode,
        currency: Option<Currency>,
    ) -> PaymentEvent {
        let currency = match &self.currency {
            Some(code) => Currency::parse(code).ok(),
            None => currency,
        };
        let amount = currency.and_then(|currency| Money::from_decimal(self.amount, currency).ok());
        PaymentEvent::of_refused_report(order_id, &self.transaction_id, code.as_str(), amount)
    }

    /// Returns whether the confirmation reports an amount of the transaction: the requested, the
    /// authorised or the captured one.
    pub fn repeats(&self, transaction: &Transaction) -> bool {
        let balance = &transaction.balance;
        let known = [transaction.amount, balance.authorised, balance.captured];
        let currency = transaction.currency;
        let is_of_currency = self
            .currency
            .as_deref()
            .is_none_or(|code| code == currency.code());
        let amount = Money::from_decimal(self.amount, currency);
        is_of_currency && amount.is_ok_and(|amount| known.contains(&amount.minor()))
    }
}

const MAX_METHOD_LENGTH: usize = 200;

impl Request for PaymentConfirmation {
    const TEXT_FIELD: Option<&'static str> = None;

    fn object_schema() -> Value {
        let fields = schema::object(
            [
                ("transaction_id", schema::identifier::<TransactionId>()),
                ("amount", schema::above_zero()),
                ("currency", schema::currency()),
                ("payment_method", schema::text(MAX_METHOD_LENGTH)),
            ]
            .into(),
        );
        schema::requiring(fields, &[&["transaction_id"], &["amount"]])
    }

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.require_any(&["transaction_id"]);
        fields.require_any(&["amount"]);
        let transaction_id = fields.take_parsed(&["transaction_id"]);
        let amount = fields.take_number::<Decimal>(&["amount"]);
        if amount.is_some_and(|amount| !amount.is_positive()) {
            fields.reject("amount", "must be above zero");
        }
        let currency = fields
            .take_currency(&["currency"])
            .map(|currency| currency.to_string());
        let payment_method = fields.take_text(&["payment_method"], MAX_METHOD_LENGTH);
        Some(Self {
            transaction_id: transaction_id?,
            amount: amount?,
            currency,
            payment_method,
            provider: None,
        })
    }
}
