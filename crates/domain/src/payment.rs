//! The payment of an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Balance, Decimal, DisputeStage, Money, PaymentId, Transaction, TransactionId, UnitsError,
    WebhookProvider, status::string_enum,
};
use settings::{Environment, SettingError};

string_enum! {
    /// The status of a payment; the column `payments.status`.
    PaymentStatus {
        Pending => "pending",
        Captured => "captured",
        Declined => "declined",
        Refunding => "refunding",
        Refunded => "refunded",
        RefundDue => "refund_due",
    }
}

impl PaymentStatus {
    /// Returns whether the payment was captured and is or must be refunded.
    pub fn is_refunded_or_due(self) -> bool {
        match self {
            Self::Refunding | Self::Refunded | Self::RefundDue => true,
            Self::Pending | Self::Captured | Self::Declined => false,
        }
    }
}

string_enum! {
    /// The payment provider that charges: the setting `PAYMENT_PROVIDER`.
    ChargeProvider { Simulator => "simulator", Stripe => "stripe" }
}

impl ChargeProvider {
    /// Returns the deployment's provider; the default is the simulator.
    pub fn from_setting(environment: &Environment) -> Result<Self, SettingError> {
        environment.choose(
            &settings::PAYMENT_PROVIDER,
            &[("simulator", Self::Simulator), ("stripe", Self::Stripe)],
        )
    }

    /// Returns the reason why this provider cannot charge the payment method, or `None`.
    pub fn payment_method_error(self, payment_method: Option<&str>) -> Option<&'static str> {
        const WANTED: &str = "must name a payment method of Stripe's, such as pm_card_visa";
        let is_id = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match self {
            Self::Simulator => None,
            // Rejects card numbers and other texts that are not ids, so that they are never stored
            // or logged.
            Self::Stripe => match payment_method {
                Some(method) if method.starts_with("pm_") && is_id(method) => None,
                _ => Some(WANTED),
            },
        }
    }

    /// Returns the reason why this provider cannot charge the amount, or `None`.
    ///
    /// ```
    /// use domain::{ChargeError, ChargeProvider, Currency, Money};
    ///
    /// let amount = Money::from_minor(5_124, Currency::parse("KWD")?)?;
    /// assert_eq!(ChargeProvider::Simulator.amount_error(amount), None);
    /// assert_eq!(ChargeProvider::Stripe.amount_error(amount), Some(ChargeError::Amount));
    /// # Ok::<(), domain::MoneyError>(())
    /// ```
    pub fn amount_error(self, amount: Money) -> Option<ChargeError> {
        match self {
            Self::Simulator => None,
            Self::Stripe => match WebhookProvider::Stripe.units_from_money(amount) {
                Ok(_) => None,
                Err(UnitsError::UnknownExponent) => Some(ChargeError::Currency),
                Err(UnitsError::Inexact | UnitsError::Money(_)) => Some(ChargeError::Amount),
            },
        }
    }
}

/// The reason why the payment provider cannot charge an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    #[error("must be a currency that Stripe can charge")]
    Currency,
    #[error("must add up to a total that Stripe can charge: the last of three decimals must be 0")]
    Amount,
}

/// The value of `payments.provider` for a payment that a caller confirmed through the API. Its
/// provider is unknown until a webhook event reports the same transaction.
pub const EXTERNAL: &str = "external";

/// The payment of an order, as in responses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentInfo {
    pub payment_id: PaymentId,
    pub transaction_id: Option<TransactionId>,
    pub amount: Decimal,
    pub payment_method: Option<String>,
    pub status: PaymentStatus,
    pub timestamp: DateTime<Utc>,
    /// The captured money of all transactions, if it differs from `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Decimal>,
    /// The refunded money of all transactions, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Decimal>,
    /// The money that a bank or a dispute took back, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Decimal>,
    /// The money that must still be paid back, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Decimal>,
    /// The part of the refunded and due money that the shop has granted, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Decimal>,
    /// The stage of the dispute, if the customer disputes the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<DisputeStage>,
}

impl PaymentInfo {
    /// Returns a payment whose money is not reported yet.
    pub fn pending(
        payment_id: PaymentId,
        transaction_id: Option<TransactionId>,
        total: Money,
        payment_method: Option<String>,
        timestamp: DateTime<Utc>,
    ) -> Self {
        Self {
            payment_id,
            transaction_id,
            amount: total.decimal(),
            payment_method,
            status: PaymentStatus::Pending,
            timestamp,
            captured: None,
            refunded: None,
            lost: None,
            due: None,
            granted: None,
            dispute: None,
        }
    }

    /// Returns the payment that callers see: the transaction that pays the order, or else the newest
    /// one. `None` without a transaction. The transactions are in order of their time.
    pub fn of_transactions(
        transactions: &[Transaction],
        total: Money,
        timestamp: DateTime<Utc>,
    ) -> Option<Self> {
        let pays = |transaction: &&Transaction| {
            let balance = &transaction.balance;
            balance.available() > 0 || balance.capturable() > 0
        };
        let shown = transactions.iter().find(pays).or(transactions.last())?;
        let info = Self::pending(
            shown.payment_id.clone(),
            shown.transaction_id.clone(),
            total,
            shown.payment_method.clone(),
            timestamp,
        );
        let status = shown.balance.status(true);
        Some(Self { status, ..info }.with_transactions(transactions, total))
    }

    /// Returns the payment with the amounts and the dispute of all transactions of its order.
    /// Amounts that add nothing to `amount` and `status` are left out.
    #[must_use]
    pub fn with_transactions(self, transactions: &[Transaction], total: Money) -> Self {
        let currency = total.currency();
        let sum = |amount: fn(&Balance) -> i64| -> i64 {
            transactions
                .iter()
                .filter(|transaction| transaction.currency == currency)
                .map(|transaction| amount(&transaction.balance))
                .sum()
        };
        let captured = sum(|balance| balance.captured);
        let decimal = |minor: i64| Decimal::new(minor, currency.exponent());
        let part = |minor: i64| {
            Some(minor)
                .filter(|minor| *minor > 0 && *minor != captured)
                .map(decimal)
        };
        Self {
            captured: Some(captured)
                .filter(|captured| *captured > 0 && *captured != total.minor())
                .map(decimal),
            refunded: part(sum(|balance| balance.refunded)),
            lost: Some(sum(|balance| balance.lost))
                .filter(|lost| *lost > 0)
                .map(decimal),
            due: part(sum(|balance| balance.due)),
            granted: Some(sum(|balance| balance.granted))
                .filter(|granted| *granted > 0)
                .map(decimal),
            dispute: transactions
                .iter()
                .filter_map(|transaction| transaction.balance.dispute)
                .max(),
            ..self
        }
    }
}
