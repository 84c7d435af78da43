//! A simulated payment provider for laptops and tests. It records its movements, as real providers
//! do.

use futures::FutureExt;
use sha2::{Digest, Sha256};

use super::{
    Capture, CaptureRequest, Charge, ChargeRequest, EXTERNAL, OutcomeUnknown, PaymentProvider,
    ProviderCall, Refund, RefundRequest,
};
use domain::{CaptureMode, Money, TransactionId};
use store::{
    PgPool,
    simulator::{Fault, Movement, move_money, take_fault},
};

/// The method that is always declined, named like Stripe's test card.
const DECLINED_METHOD: &str = "pm_card_chargeDeclined";
const AUTHORISE: &str = "authorise";
const CAPTURE: &str = "capture";
const REFUND: &str = "refund";
const VOID: &str = "void";
const DECLINE: &str = "decline";

/// Simulates the provider, and the gateway whose confirmations arrive by `/payment`.
#[derive(Debug, Clone)]
pub struct Simulator {
    pool: PgPool,
}

impl Simulator {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The simulator stores its movements in the same database, so that they survive a restart of
    /// the worker.
    async fn record_movement(
        &self,
        key: &str,
        kind: &str,
        order_id: &str,
        amount: Money,
    ) -> Result<Movement, OutcomeUnknown> {
        let transaction_id = format!(
            "txn_{}",
            &data_encoding::HEXLOWER.encode(&Sha256::digest(key))[..20]
        );
        let wanted = Movement {
            transaction_id,
            kind: kind.to_owned(),
        };
        let moved = move_money(
            &self.pool,
            key,
            &wanted,
            order_id,
            amount.minor(),
            amount.currency().code(),
        );
        moved
            .await
            .map_err(|error| OutcomeUnknown(error.to_string()))
    }

    async fn take_fault(
        &self,
        operation: &str,
        order_id: &str,
    ) -> Result<Option<Fault>, OutcomeUnknown> {
        take_fault(&self.pool, operation, order_id)
            .await
            .map_err(|error| OutcomeUnknown(error.to_string()))
    }

    /// Captures or voids an authorisation. The first of these calls decides: it has the only
    /// movement of this key, whose kind is returned.
    async fn end_authorisation(
        &self,
        transaction_id: &TransactionId,
        kind: &str,
        order_id: &str,
        amount: Money,
    ) -> Result<String, OutcomeUnknown> {
        let key = format!("authorisation:{transaction_id}");
        let ended = self.record_movement(&key, kind, order_id, amount).await?;
        Ok(ended.kind)
    }

    async fn record_charge(&self, request: &ChargeRequest) -> Result<Charge, OutcomeUnknown> {
        let order_id = request.order_id.as_str();
        let fault = self.take_fault("charge", order_id).await?;
        fail_or_hang(fault).await?;
        let declines = fault == Some(Fault::Decline)
            || request.payment_method.as_deref() == Some(DECLINED_METHOD);
        let kind = match request.capture {
            _ if declines => DECLINE,
            CaptureMode::Immediate => CAPTURE,
            CaptureMode::OnDispatch => AUTHORISE,
        };
        let moved = self
            .record_movement(request.payment_id.as_str(), kind, order_id, request.amount)
            .await?;
        lose(fault)?;
        match moved.kind.as_str() {
            CAPTURE => Ok(Charge::Captured(transaction_id_of(&moved)?)),
            AUTHORISE => Ok(Charge::Authorised(transaction_id_of(&moved)?)),
            _ => Ok(Charge::Declined("card_declined".to_owned())),
        }
    }

    async fn record_capture(&self, request: &CaptureRequest) -> Result<Capture, OutcomeUnknown> {
        let order_id = request.order_id.as_str();
        let fault = self.take_fault("capture", order_id).await?;
        fail_or_hang(fault).await?;
        let refused = |reason: &str| Capture::Refused {
            reason: reason.to_owned(),
        };
        if fault == Some(Fault::Decline) {
            return Ok(refused("capture_refused"));
        }
        let kind = self
            .end_authorisation(&request.transaction_id, CAPTURE, order_id, request.amount)
            .await?;
        lose(fault)?;
        if kind != CAPTURE {
            return Ok(refused("payment_canceled"));
        }
        Ok(Capture::Captured {
            capture_id: None,
            amount: request.amount,
        })
    }

    async fn record_refund(&self, request: &RefundRequest) -> Result<Refund, OutcomeUnknown> {
        let order_id = request.order_id.as_str();
        match self.take_fault("refund", order_id).await? {
            Some(Fault::Fail | Fault::Decline) => fail_or_hang(Some(Fault::Fail)).await?,
            Some(Fault::Hang) => fail_or_hang(Some(Fault::Hang)).await?,
            Some(Fault::Lose) | None => {}
        }
        if request.provider != self.name() && request.provider != EXTERNAL {
            // A real provider's webhook event reported this payment; the simulator cannot
            // refund it.
            return Ok(Refund::Unsupported);
        }
        // The gateway captured this money. It is not among the simulator's movements, but was
        // confirmed.
        let elsewhere = request
            .past
            .transaction_id
            .clone()
            .filter(|_| request.provider == EXTERNAL);
        let captured = match elsewhere {
            Some(captured) => Some(captured),
            None => self.find_capture(request).await?,
        };
        let Some(transaction_id) = captured else {
            return Ok(Refund::NeverCaptured);
        };
        // The previous release refunded only whole payments, under this key.
        let key = if request.whole {
            format!("refund:{}", request.payment_id)
        } else {
            request.key.clone()
        };
        let refunded = self
            .record_movement(&key, REFUND, order_id, request.amount)
            .await?;
        Ok(Refund::Refunded {
            transaction_id,
            refund_id: Some(refunded.transaction_id),
            amount: request.amount,
        })
    }

    /// Returns the captured transaction. If nothing was captured, voids the payment.
    async fn find_capture(
        &self,
        request: &RefundRequest,
    ) -> Result<Option<TransactionId>, OutcomeUnknown> {
        let order_id = request.order_id.as_str();
        let found = self
            .record_movement(request.payment_id.as_str(), VOID, order_id, request.amount)
            .await?;
        match found.kind.as_str() {
            CAPTURE => transaction_id_of(&found).map(Some),
            AUTHORISE => {
                let transaction_id = transaction_id_of(&found)?;
                // Only a captured payment is refunded in parts.
                if !request.whole {
                    return Ok(Some(transaction_id));
                }
                let kind = self
                    .end_authorisation(&transaction_id, VOID, order_id, request.amount)
                    .await?;
                Ok(Some(transaction_id).filter(|_| kind == CAPTURE))
            }
            _ => Ok(None),
        }
    }
}

impl PaymentProvider for Simulator {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> ProviderCall<'a, Charge> {
        self.record_charge(request).boxed()
    }

    fn capture<'a>(&'a self, request: &'a CaptureRequest) -> ProviderCall<'a, Capture> {
        self.record_capture(request).boxed()
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> ProviderCall<'a, Refund> {
        self.record_refund(request).boxed()
    }
}

/// Fails or hangs before the work is done.
async fn fail_or_hang(fault: Option<Fault>) -> Result<(), OutcomeUnknown> {
    match fault {
        Some(Fault::Fail) => Err(OutcomeUnknown(
            "simulated: the provider is unavailable".to_owned(),
        )),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Lose | Fault::Decline) | None => Ok(()),
    }
}

/// Loses the response after the work is done.
fn lose(fault: Option<Fault>) -> Result<(), OutcomeUnknown> {
    if fault == Some(Fault::Lose) {
        return Err(OutcomeUnknown(
            "simulated: the response was lost".to_owned(),
        ));
    }
    Ok(())
}

fn transaction_id_of(moved: &Movement) -> Result<TransactionId, OutcomeUnknown> {
    TransactionId::parse(&moved.transaction_id).map_err(|error| OutcomeUnknown(error.to_string()))
}
