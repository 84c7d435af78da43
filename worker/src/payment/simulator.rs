//! A simulated payment provider for laptops and tests. It records its movements, as real providers
//! do.

use futures::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};

use super::{
    Charge, ChargeRequest, EXTERNAL, OutcomeUnknown, PaymentProvider, Refund, RefundRequest,
};
use domain::{Money, TransactionId};
use store::{
    PgPool,
    simulator::{Fault, Movement, move_money, take_fault},
};

/// The method that is always declined, named like Stripe's test card.
const DECLINED_METHOD: &str = "pm_card_chargeDeclined";
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
}

impl PaymentProvider for Simulator {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn charge<'a>(
        &'a self,
        request: &'a ChargeRequest,
    ) -> BoxFuture<'a, Result<Charge, OutcomeUnknown>> {
        async move {
            let order_id = request.order_id.as_str();
            let fault = self.take_fault("charge", order_id).await?;
            match fault {
                Some(Fault::Fail) => {
                    return Err(OutcomeUnknown(
                        "simulated: the provider is unavailable".to_owned(),
                    ));
                }
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::Lose | Fault::Decline) | None => {}
            }
            let declines = fault == Some(Fault::Decline)
                || request.payment_method.as_deref() == Some(DECLINED_METHOD);
            let kind = if declines { DECLINE } else { CAPTURE };
            let moved = self
                .record_movement(request.payment_id.as_str(), kind, order_id, request.amount)
                .await?;
            if fault == Some(Fault::Lose) {
                return Err(OutcomeUnknown(
                    "simulated: the response was lost".to_owned(),
                ));
            }
            if moved.kind != CAPTURE {
                return Ok(Charge::Declined("card_declined".to_owned()));
            }
            let transaction_id = TransactionId::parse(&moved.transaction_id);
            transaction_id
                .map(Charge::Captured)
                .map_err(|error| OutcomeUnknown(error.to_string()))
        }
        .boxed()
    }

    fn refund<'a>(
        &'a self,
        request: &'a RefundRequest,
    ) -> BoxFuture<'a, Result<Refund, OutcomeUnknown>> {
        async move {
            let order_id = request.order_id.as_str();
            match self.take_fault("refund", order_id).await? {
                Some(Fault::Fail | Fault::Decline) => {
                    return Err(OutcomeUnknown(
                        "simulated: the provider is unavailable".to_owned(),
                    ));
                }
                Some(Fault::Hang) => std::future::pending().await,
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
            let capture = match elsewhere {
                Some(capture) => capture,
                None => {
                    let found = self
                        .record_movement(
                            request.payment_id.as_str(),
                            VOID,
                            order_id,
                            request.amount,
                        )
                        .await?;
                    if found.kind != CAPTURE {
                        return Ok(Refund::NeverCaptured);
                    }
                    TransactionId::parse(&found.transaction_id)
                        .map_err(|error| OutcomeUnknown(error.to_string()))?
                }
            };
            self.record_movement(
                &format!("refund:{}", request.payment_id),
                REFUND,
                order_id,
                request.amount,
            )
            .await?;
            Ok(Refund::Refunded(capture))
        }
        .boxed()
    }
}
