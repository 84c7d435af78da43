//! A request to record a payment that was made elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Fields, Request, schema};
use domain::{Currency, Decimal, TransactionId, WebhookProvider};

/// A payment gateway's word that the customer has paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentConfirmation {
    pub transaction_id: TransactionId,
    pub amount: Decimal,
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(default)]
    pub payment_method: Option<String>,
    /// Who said so by a signed notification; nobody can set it in a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<WebhookProvider>,
}

const METHOD: usize = 200;

impl Request for PaymentConfirmation {
    const TEXT_FIELD: Option<&'static str> = None;

    fn object_schema() -> Value {
        let fields = schema::object(
            [
                ("transaction_id", schema::identifier::<TransactionId>()),
                ("amount", schema::above_zero()),
                ("currency", schema::currency()),
                ("payment_method", schema::text(METHOD)),
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
            .take_parsed::<Currency>(&["currency"])
            .map(|currency| currency.to_string());
        let payment_method = fields.take_text(&["payment_method"], METHOD);
        Some(Self {
            transaction_id: transaction_id?,
            amount: amount?,
            currency,
            payment_method,
            provider: None,
        })
    }
}
