//! Payment of an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Decimal, DisputeStage, PaymentId, TransactionId, status::named};
use settings::{Environment, SettingError};

named! {
    /// Where one payment stands; the column `payments.status`.
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
    /// Whether it was captured and is given back, or will be.
    pub fn is_refunded_or_due(self) -> bool {
        match self {
            Self::Refunding | Self::Refunded | Self::RefundDue => true,
            Self::Pending | Self::Captured | Self::Declined => false,
        }
    }
}

named! {
    /// Who charges: the setting `PAYMENT_PROVIDER`.
    ChargeProvider { Simulator => "simulator", Stripe => "stripe" }
}

impl ChargeProvider {
    /// What the deployment is set to; the simulator where nothing is said.
    pub fn from_setting(environment: &Environment) -> Result<Self, SettingError> {
        environment.choose(
            &settings::PAYMENT_PROVIDER,
            &[("simulator", Self::Simulator), ("stripe", Self::Stripe)],
        )
    }

    /// What is wrong with a payment method that is to be charged there; nothing, when it may be tried.
    pub fn payment_method_error(self, payment_method: Option<&str>) -> Option<&'static str> {
        const WANTED: &str = "must name a payment method of Stripe's, such as pm_card_visa";
        let is_id = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match self {
            Self::Simulator => None,
            // A card's number, or whatever else is no name of one, must not go further than this.
            Self::Stripe => match payment_method {
                Some(method) if method.starts_with("pm_") && is_id(method) => None,
                _ => Some(WANTED),
            },
        }
    }
}

/// The payment as callers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentInfo {
    pub payment_id: PaymentId,
    pub transaction_id: Option<TransactionId>,
    pub amount: Decimal,
    pub payment_method: Option<String>,
    pub status: PaymentStatus,
    pub timestamp: DateTime<Utc>,
    /// How far a dispute of it has come, where the customer disputes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<DisputeStage>,
}
