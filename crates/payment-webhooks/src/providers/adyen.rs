//! Adyen. Standard notifications have a signature per item, over some of its fields. Other
//! notifications have one signature over the whole body.
//!
//! The fields `paymentMethod`, `reason`, `eventDate`, `live` and all of `additionalData` are not
//! signed. They are not used, with three exceptions that never pay an order: `live` must match the
//! deployment, `fraudManualReview` holds an order, and `eventDate` distinguishes test messages.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored, ignored_because},
    environment::{AdyenCapture, Deployment, Environment},
    json::{Why, as_event_id, as_word, money_of, word},
    verify::Rejection,
};
use domain::{
    DisputeStage, Money, OrderId, PaymentEventKind as Kind, PaymentWarning, TransactionId,
    WebhookProvider,
};

pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
}

/// The signed fields of one item as the texts that were signed, its signature, and two fields that
/// are not signed.
pub(crate) struct Item {
    psp_reference: String,
    original_reference: String,
    merchant_account: String,
    merchant_reference: String,
    value: String,
    currency: String,
    event_code: String,
    success: String,
    /// The customer's payment waits for a review at Adyen.
    is_reviewed: bool,
    event_date: String,
    pub(crate) signature: Option<String>,
}

/// Returns the items of a standard notification: `None` for a body of another kind, an error for a
/// body that cannot be read.
pub(crate) fn batch(body: &[u8]) -> Option<Result<Batch, Rejection>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let items = body.get("notificationItems")?;
    let read = |items: &Value| {
        items
            .as_array()?
            .iter()
            .map(Item::read)
            .collect::<Option<Vec<_>>>()
    };
    Some(
        read(items)
            .map(|items| Batch { items })
            .ok_or(Rejection::Header),
    )
}

impl Item {
    fn read(item: &Value) -> Option<Self> {
        let item = item.get("NotificationRequestItem")?.as_object()?;
        let field = |name: &str| scalar(item.get(name));
        let amount = |name: &str| scalar(item.get("amount").and_then(|amount| amount.get(name)));
        let additional = |name: &str| item.get("additionalData").and_then(|data| data.get(name));
        let signature = additional("hmacSignature");
        Some(Self {
            psp_reference: field("pspReference")?,
            original_reference: field("originalReference")?,
            merchant_account: field("merchantAccountCode")?,
            merchant_reference: field("merchantReference")?,
            value: amount("value")?,
            currency: amount("currency")?,
            event_code: field("eventCode")?,
            success: field("success")?,
            is_reviewed: scalar(additional("fraudManualReview")).as_deref() == Some("true"),
            event_date: field("eventDate").unwrap_or_default(),
            signature: signature
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        })
    }

    /// Returns the text that Adyen signs. Adyen does not escape its fields.
    pub(crate) fn signed(&self) -> String {
        [
            &self.psp_reference,
            &self.original_reference,
            &self.merchant_account,
            &self.merchant_reference,
            &self.value,
            &self.currency,
            &self.event_code,
            &self.success,
        ]
        .map(String::as_str)
        .join(":")
    }

    /// Rejects items with colons in several fields. Fields are not escaped, so a colon could be
    /// moved from one field to the next under the same signature. With colons in at most one field,
    /// the text is unambiguous.
    fn is_unambiguous(&self) -> bool {
        let plain = [
            &self.psp_reference,
            &self.original_reference,
            &self.merchant_account,
            &self.value,
            &self.currency,
            &self.event_code,
            &self.success,
        ];
        !plain.iter().any(|field| field.contains(':'))
    }

    /// Returns the item's events. Most items are one event.
    fn drafts(&self, deployment: &Deployment, foreign: Option<&str>) -> Vec<Draft> {
        let id = format!(
            "{}:{}:{}",
            self.event_code, self.psp_reference, self.success
        );
        let ignore = |id: &str, reason: &str| {
            let kind = ignored_because(as_word(&self.event_code), reason.to_owned());
            vec![self.draft(as_event_id(id), Ok(kind))]
        };
        if self.is_portal_test() {
            // Each press of the button has the same references.
            let id = format!("{id}:{}", self.event_date);
            return ignore(&id, "a test of Adyen's Customer Area");
        }
        let account = &self.merchant_account;
        let accounts = &deployment.adyen_merchant_accounts;
        if let Some(reason) = foreign {
            return ignore(&id, reason);
        }
        if !accounts.is_empty() && !accounts.contains(account) {
            let name = as_word(account).unwrap_or_else(|| "unreadable".to_owned());
            return ignore(
                &id,
                &format!("the merchant account is {name}, which is not in ADYEN_MERCHANT_ACCOUNTS"),
            );
        }
        let kind = self.read_kind(deployment.adyen_capture);
        if !self.is_unambiguous() {
            // An ignored item has no effect, so it does not matter which field the colon is in.
            let kind = match kind {
                Ok(kind @ Kind::Ignored { .. }) => Ok(kind),
                _ => Err("a colon where it could be moved to another field"),
            };
            return vec![Draft::new(as_event_id(&id), kind)];
        }
        let second = self.second_kind(&kind, deployment.adyen_capture);
        let second = second
            .map(|(suffix, kind)| self.draft(as_event_id(&format!("{id}:{suffix}")), Ok(kind)));
        let first = self.draft(as_event_id(&id), kind);
        [Some(first), second].into_iter().flatten().collect()
    }

    fn draft(&self, event_id: Option<String>, kind: Result<Kind, Why>) -> Draft {
        Draft {
            order_id: OrderId::parse(&self.merchant_reference).ok(),
            transaction_id: TransactionId::parse(self.payment()).ok(),
            ..Draft::new(event_id, kind)
        }
    }

    /// Returns the reference of the payment. A modification has its own reference beside it.
    fn payment(&self) -> &str {
        if self.original_reference.is_empty() {
            &self.psp_reference
        } else {
            &self.original_reference
        }
    }

    /// Returns whether a person pressed the button for a test message in Adyen's Customer Area.
    fn is_portal_test(&self) -> bool {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let by_payment = self
            .psp_reference
            .strip_prefix("test_")
            .and_then(|rest| rest.strip_prefix(&self.event_code))
            .is_some_and(|rest| rest.starts_with('_'));
        let by_order = self
            .merchant_reference
            .strip_prefix("testMerchantRef")
            .is_some_and(is_number);
        by_payment || by_order
    }

    fn read_kind(&self, capture: AdyenCapture) -> Result<Kind, Why> {
        let success = match self.success.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        match self.event_code.as_str() {
            // Some events of this code have no success, and others have `false`.
            "NOTIFICATION_OF_FRAUD" | "MANUAL_REVIEW_REJECT" => {
                Ok(self.warning(PaymentWarning::Fraud))
            }
            "MANUAL_REVIEW_ACCEPT" => Ok(self.warning(PaymentWarning::ReviewClosed)),
            code => match dispute_state(code) {
                Some(_) if success == Some(false) => Ok(self.ignored()),
                Some(state) => Ok(self.disputed(&state)),
                None => self.money_kind(success, capture),
            },
        }
    }

    /// Returns the meaning of an event that can move money.
    fn money_kind(&self, success: Option<bool>, capture: AdyenCapture) -> Result<Kind, Why> {
        let code = self.event_code.as_str();
        if !MONEY_CODES.contains(&code) {
            return Ok(self.ignored());
        }
        let success = success.ok_or("success is neither true nor false")?;
        let voided = |reason: &str| Kind::Voided {
            reason: reason.to_owned(),
        };
        let has_no_amount = self.value.is_empty() || self.value == "0";
        Ok(match (code, success) {
            // The event is about a check of a card, not about money.
            ("AUTHORISATION", true) if self.value == "0" => self.ignored(),
            ("AUTHORISATION", true) => Kind::Authorised {
                amount: self.read_money()?,
                payment_method: None,
                captured: capture == AdyenCapture::Immediate,
            },
            ("AUTHORISATION", false) => Kind::AttemptFailed {
                reason: "refused".to_owned(),
            },
            // The amount is the new total. An adjusted payment is always captured by request.
            ("AUTHORISATION_ADJUSTMENT", true) => Kind::Authorised {
                amount: self.read_money()?,
                payment_method: None,
                captured: false,
            },
            ("PENDING", true) => Kind::Processing,
            ("CAPTURE", true) => Kind::Paid {
                amount: self.read_money()?,
                payment_method: None,
                capture_id: Some(self.own_id().ok_or("the capture has no id")?),
                refunded: None,
            },
            ("CAPTURE", false) => self.capture_failed("capture_refused", true),
            ("CAPTURE_FAILED", true) => self.capture_failed("capture_failed", false),
            ("CANCELLATION", true) => voided("cancelled"),
            ("TECHNICAL_CANCEL", true) => voided("technical_cancel"),
            ("EXPIRE", true) => voided("expired"),
            ("OFFER_CLOSED", true) => voided("offer_closed"),
            // Only unsigned fields would tell the two apart. With an amount, it can be a refund.
            ("CANCEL_OR_REFUND", true) if has_no_amount => voided("cancelled_or_refunded"),
            // A refund to a card that is not about one of our payments.
            ("REFUND_WITH_DATA", _) if self.original_reference.is_empty() => self.ignored(),
            ("CANCEL_OR_REFUND" | "REFUND" | "REFUND_WITH_DATA", true) => Kind::Refunded {
                amount: self.read_money()?,
                refund_id: Some(self.own_id().ok_or("the refund has no id")?),
            },
            ("REFUND" | "REFUND_WITH_DATA", false) => {
                self.refund_failed("refund_refused", self.own_id())
            }
            ("REFUND_FAILED", true) => self.refund_failed("refund_failed", self.own_id()),
            // The money is back. Adyen documents these with the reference of the refund and with an
            // own reference, so the amount is subtracted from the refunds of the payment.
            ("REFUNDED_REVERSED", true) => self.refund_failed("refund_reversed", None),
            ("VOID_PENDING_REFUND", true) => self.refund_failed("refund_voided", None),
            _ => self.ignored(),
        })
    }

    /// Returns the second meaning of an item, and the suffix of its event id.
    fn second_kind(
        &self,
        first: &Result<Kind, Why>,
        capture: AdyenCapture,
    ) -> Option<(&'static str, Kind)> {
        match (self.event_code.as_str(), first) {
            // Without a capture, the cancel ends the authorisation. Immediate capture leaves
            // nothing to end.
            ("CANCEL_OR_REFUND", Ok(Kind::Refunded { .. })) if capture == AdyenCapture::Manual => {
                let reason = "cancelled_or_refunded".to_owned();
                Some(("void", Kind::Voided { reason }))
            }
            ("AUTHORISATION", Ok(Kind::Authorised { .. })) if self.is_reviewed => {
                Some(("review", self.warning(PaymentWarning::ReviewOpened)))
            }
            _ => None,
        }
    }

    fn read_money(&self) -> Result<Money, Why> {
        let units = self
            .value
            .parse()
            .map_err(|_| "the amount is missing or no whole number")?;
        money_of(WebhookProvider::Adyen, units, &self.currency)
    }

    fn some_money(&self) -> Option<Money> {
        self.read_money().ok().filter(|amount| !amount.is_zero())
    }

    fn capture_failed(&self, reason: &str, refused: bool) -> Kind {
        Kind::CaptureFailed {
            reason: reason.to_owned(),
            amount: self.some_money(),
            capture_id: self.own_id(),
            refused,
        }
    }

    fn refund_failed(&self, reason: &str, refund_id: Option<String>) -> Kind {
        Kind::RefundFailed {
            reason: reason.to_owned(),
            amount: self.some_money(),
            refund_id,
        }
    }

    /// Disputes of one payment share its reference, so that all their events are one dispute.
    fn disputed(&self, state: &DisputeState) -> Kind {
        let dispute_id = match state.round {
            0 => self.payment().to_owned(),
            round => format!("{}#{round}", self.payment()),
        };
        Kind::Disputed {
            stage: state.stage,
            dispute_id: as_event_id(&dispute_id),
            amount: self.some_money(),
            undefended: state.undefended,
        }
    }

    fn warning(&self, warning: PaymentWarning) -> Kind {
        Kind::Warning {
            warning,
            warning_id: as_event_id(self.payment()),
        }
    }

    /// Returns the reference of a capture or a refund.
    fn own_id(&self) -> Option<String> {
        as_event_id(&self.psp_reference)
    }

    fn ignored(&self) -> Kind {
        ignored(as_word(&self.event_code))
    }
}

/// The event codes that can move money. Their items need `success`.
const MONEY_CODES: &[&str] = &[
    "AUTHORISATION",
    "AUTHORISATION_ADJUSTMENT",
    "PENDING",
    "CAPTURE",
    "CAPTURE_FAILED",
    "CANCELLATION",
    "TECHNICAL_CANCEL",
    "EXPIRE",
    "OFFER_CLOSED",
    "CANCEL_OR_REFUND",
    "REFUND",
    "REFUND_WITH_DATA",
    "REFUND_FAILED",
    "REFUNDED_REVERSED",
    "VOID_PENDING_REFUND",
];

struct DisputeState {
    stage: DisputeStage,
    /// 0 until the first decision; a later round replaces it.
    round: u8,
    undefended: bool,
}

/// Returns the state that a dispute code reports (docs.adyen.com, "Dispute webhooks"). `None` for
/// another code.
fn dispute_state(code: &str) -> Option<DisputeState> {
    let (round, stage) = match code {
        "REQUEST_FOR_INFORMATION"
        | "NOTIFICATION_OF_CHARGEBACK"
        | "CHARGEBACK"
        | "INFORMATION_SUPPLIED"
        | "ISSUER_COMMENTS" => (0, DisputeStage::Opened),
        // The issuer accepted the defence, or did not respond in time.
        "CHARGEBACK_REVERSED" | "ISSUER_RESPONSE_TIMEFRAME_EXPIRED" => (0, DisputeStage::Won),
        "DISPUTE_DEFENSE_PERIOD_ENDED" => (0, DisputeStage::Lost),
        "SECOND_CHARGEBACK" => (1, DisputeStage::Lost),
        _ => {
            let (round, state) = code
                .strip_prefix("PREARBITRATION_")
                .map(|state| (2, state))
                .or_else(|| Some((3, code.strip_prefix("SCHEME_ARBITRATION_")?)))?;
            let stage = match state {
                "WON" | "ISSUER_WITHDRAWN" => DisputeStage::Won,
                "LOST" | "ACCEPTED" => DisputeStage::Lost,
                _ => DisputeStage::Opened,
            };
            (round, stage)
        }
    };
    Some(DisputeState {
        stage,
        round,
        undefended: code == "DISPUTE_DEFENSE_PERIOD_ENDED",
    })
}

pub(crate) fn read_events(bytes: &[u8], body: &Value, deployment: &Deployment) -> Vec<Draft> {
    let Some(Ok(batch)) = batch(bytes) else {
        return vec![other(body)];
    };
    let is_live = deployment.environment == Environment::Live;
    let environment = deployment.environment.as_str();
    let foreign = match scalar(body.get("live")).as_deref() {
        Some("true") if is_live => None,
        Some("false") if !is_live => None,
        Some(live @ ("true" | "false")) => Some(format!(
            "live is {live}, but WEBHOOK_ENVIRONMENT is {environment}"
        )),
        _ => Some("live is neither true nor false".to_owned()),
    };
    batch
        .items
        .iter()
        .flat_map(|item| item.drafts(deployment, foreign.as_deref()))
        .collect()
}

/// Reads a notification about an account, a transfer or a dispute. The whole body is signed, and it
/// never pays an order.
fn other(body: &Value) -> Draft {
    Draft::new(None, Ok(ignored(word(body, "/type"))))
}

/// Returns the text of a field for the signature: empty for a missing field, `None` for a field
/// that is not a scalar.
fn scalar(value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        Some(Value::Array(_) | Value::Object(_)) => None,
    }
}
