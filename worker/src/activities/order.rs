//! The activities of an order.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{
    LimitedProviders, order_write,
    provider_calls::{CallError, StepError},
    refund, retryable,
};
use domain::{
    Money, Movement, MovementKind, OrderId, PaymentEvent, PaymentId, PaymentStatus, Transaction,
    WebhookProvider,
};
use payment_providers::{
    Capture, CaptureRequest, Charge as Answer, ChargeRequest, EXTERNAL, FoundPayment, Past,
};
use store::{
    PgPool,
    inventory::{self, ChangedReservation, Reservation, ReservationRules},
    ledger::{self, Charge, ChargeClaim, Claim, Confirmation, PaymentSource},
    order_write::{OrderWrite, ParcelWrite, restore_order, write_order, write_order_and_prepare},
    quotes, shipments,
};
use workflows::activity::{
    CapturePaymentInput, ChangeReservationInput, ChangeReservationOutcome, ChargeOutcome,
    ChargePaymentInput, EarlierEffects, EarlierParcel, LookUpPaymentsInput, LookUpPaymentsOutcome,
    ParcelRecord, ParcelState, PendingWrite, ReceiveOrderInput, ReceiveOrderOutcome,
    RecordPaymentInput, RecordPaymentOutcome, RecordPaymentResult, RefundOutcome,
    RefundPaymentInput, ReservationOutcome, ReserveInventoryInput, ValidateOrderInput,
    ValidationOutcome,
};

pub struct OrderActivities {
    pub pool: PgPool,
    pub providers: Arc<LimitedProviders>,
    pub default_stock: i64,
}

#[activities]
impl OrderActivities {
    #[activity(definition = workflows::activity::ReceiveOrder)]
    pub async fn receive_order(
        self: Arc<Self>,
        context: ActivityContext,
        receive: ReceiveOrderInput,
    ) -> Result<ReceiveOrderOutcome, ActivityError> {
        match write_order(&self.pool, order_write(&context, &receive.write)).await {
            Ok(_) => Ok(ReceiveOrderOutcome::Fresh),
            Err(store::Error::OtherOrder) => Ok(ReceiveOrderOutcome::Duplicate),
            Err(error) => Err(retryable(&context, &error)),
        }
    }

    #[activity(definition = workflows::activity::FindEarlierEffects)]
    pub async fn find_earlier_effects(
        self: Arc<Self>,
        context: ActivityContext,
        order_id: OrderId,
    ) -> Result<EarlierEffects, ActivityError> {
        let transactions = ledger::list_by_order(&self.pool, &order_id)
            .await
            .map_err(|error| retryable(&context, &error))?;
        let parcels = shipments::list_by_order(&self.pool, &order_id)
            .await
            .map_err(|error| retryable(&context, &error))?;
        Ok(EarlierEffects {
            transactions,
            parcels: parcels.iter().filter_map(earlier_parcel).collect(),
        })
    }

    #[activity(definition = workflows::activity::ValidateOrder)]
    pub async fn validate_order(
        self: Arc<Self>,
        _: ActivityContext,
        validate: ValidateOrderInput,
    ) -> Result<ValidationOutcome, ActivityError> {
        let document = validate.document.to_string();
        let parsed = if validate.is_earlier {
            contract::parse_earlier_order(&document)
        } else {
            contract::parse_order(&document)
        };
        Ok(match parsed {
            Ok(order) => ValidationOutcome::Valid {
                order: Box::new(order),
            },
            Err(invalid) => ValidationOutcome::Invalid { errors: invalid.0 },
        })
    }

    #[activity(definition = workflows::activity::ReserveInventory)]
    pub async fn reserve_inventory(
        self: Arc<Self>,
        context: ActivityContext,
        reserve: ReserveInventoryInput,
    ) -> Result<ReservationOutcome, ActivityError> {
        let ReserveInventoryInput {
            write,
            customer_limit,
        } = reserve;
        let order = write.record.order.as_ref();
        if let Some(quote) = order.and_then(|order| order.quote.as_ref()) {
            let claimed = quotes::claim(&self.pool, &quote.id, &write.record.order_id).await;
            if !claimed.map_err(|error| retryable(&context, &error))? {
                return Ok(ReservationOutcome::QuoteUsed);
            }
        }
        let lines = order
            .map(|order| order.lines.as_slice())
            .unwrap_or_default();
        match inventory::reserve(
            &self.pool,
            order_write(&context, &write),
            lines,
            ReservationRules {
                default_stock: self.default_stock,
                customer_limit,
            },
        )
        .await
        {
            Ok(Reservation::Held) => Ok(ReservationOutcome::Reserved),
            Ok(Reservation::Unavailable(shortages)) => Ok(match shortages.first() {
                Some(first) => ReservationOutcome::Unavailable {
                    sku: first.sku.clone(),
                    available: first.available.unwrap_or_default(),
                    shortages,
                },
                None => ReservationOutcome::Reserved,
            }),
            Ok(Reservation::OverLimit { held }) => Ok(ReservationOutcome::CustomerLimit { held }),
            Err(store::Error::OtherOrder) => Ok(ReservationOutcome::Duplicate),
            Err(error) => Err(retryable(&context, &error)),
        }
    }

    #[activity(definition = workflows::activity::ChangeReservation)]
    pub async fn change_reservation(
        self: Arc<Self>,
        context: ActivityContext,
        change: ChangeReservationInput,
    ) -> Result<ChangeReservationOutcome, ActivityError> {
        let write = order_write(&context, &change.write);
        let changed = inventory::change(&self.pool, write, &change.lines)
            .await
            .map_err(|error| retryable(&context, &error))?;
        Ok(match changed {
            ChangedReservation::Changed => ChangeReservationOutcome::Changed,
            ChangedReservation::Short(short) => ChangeReservationOutcome::Short {
                sku: short.sku,
                available: short.available,
            },
            ChangedReservation::Released => ChangeReservationOutcome::Released,
            ChangedReservation::Superseded => ChangeReservationOutcome::Superseded,
        })
    }

    #[activity(definition = workflows::activity::ChargePayment)]
    pub async fn charge_payment(
        self: Arc<Self>,
        context: ActivityContext,
        charge: ChargePaymentInput,
    ) -> Result<ChargeOutcome, ActivityError> {
        self.charge_once(order_write(&context, &charge.write), &charge)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RecordPayment)]
    pub async fn record_payment(
        self: Arc<Self>,
        context: ActivityContext,
        paid: RecordPaymentInput,
    ) -> Result<RecordPaymentResult, ActivityError> {
        self.confirm_once(order_write(&context, &paid.write), &paid)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::CapturePayment)]
    pub async fn capture_payment(
        self: Arc<Self>,
        context: ActivityContext,
        capture: CapturePaymentInput,
    ) -> Result<Option<Transaction>, ActivityError> {
        self.capture_once(order_write(&context, &capture.write), &capture)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::LookUpPayments)]
    pub async fn look_up_payments(
        self: Arc<Self>,
        context: ActivityContext,
        look_up: LookUpPaymentsInput,
    ) -> Result<LookUpPaymentsOutcome, ActivityError> {
        self.look_up_once(order_write(&context, &look_up.write), &look_up)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RefundPayment)]
    pub async fn refund_payment(
        self: Arc<Self>,
        context: ActivityContext,
        refund: RefundPaymentInput,
    ) -> Result<RefundOutcome, ActivityError> {
        self.refund_once(order_write(&context, &refund.write), &refund)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::ReleaseInventory)]
    pub async fn release_inventory(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<bool, ActivityError> {
        inventory::release(&self.pool, order_write(&context, &write))
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::CommitInventory)]
    pub async fn commit_inventory(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<(), ActivityError> {
        let parcel = write
            .parcel
            .as_deref()
            .map(|parcel| ParcelColumns::new(&write, parcel));
        let parcel = parcel.as_ref().map(ParcelColumns::write);
        inventory::commit(&self.pool, order_write(&context, &write), parcel.as_ref())
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::ConfirmDelivery)]
    pub async fn confirm_delivery(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<(), ActivityError> {
        write_order(&self.pool, order_write(&context, &write))
            .await
            .map(|_| ())
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RecordOrder)]
    pub async fn record_order(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<(), ActivityError> {
        let order = order_write(&context, &write);
        let written = match (&write.lost, &write.parcel) {
            (Some(lost), _) => {
                restore_order(&self.pool, order, &lost.transactions, &lost.reserved).await
            }
            (None, Some(parcel)) => {
                let parcel = ParcelColumns::new(&write, parcel);
                write_order_and_prepare(&self.pool, order, &parcel.write()).await
            }
            (None, None) => write_order(&self.pool, order).await.map(|_| ()),
        };
        written.map_err(|error| retryable(&context, &error))
    }
}

/// The columns of a parcel that the order writes.
struct ParcelColumns<'a> {
    order_id: &'a OrderId,
    parcel: &'a ParcelRecord,
    address: serde_json::Value,
    items: serde_json::Value,
}

impl<'a> ParcelColumns<'a> {
    fn new(write: &'a PendingWrite, parcel: &'a ParcelRecord) -> Self {
        Self {
            order_id: &write.record.order_id,
            parcel,
            address: serde_json::json!(parcel.address),
            items: parcel.lines.iter().map(contract::line_document).collect(),
        }
    }

    fn write(&self) -> ParcelWrite<'_> {
        ParcelWrite {
            shipment_id: &self.parcel.shipment_id,
            order_id: self.order_id.as_str(),
            attempt: self.parcel.attempt,
            address: &self.address,
            items: &self.items,
            tracking_number: self.parcel.tracking_number.as_deref(),
        }
    }
}

/// Returns the number and the state of a parcel, whose id is `{order_id}-PKG-{number}`.
fn earlier_parcel(parcel: &shipments::Parcel) -> Option<EarlierParcel> {
    let (_, number) = parcel.shipment_id.rsplit_once("-PKG-")?;
    Some(EarlierParcel {
        number: number.parse().ok()?,
        state: match parcel.state.as_str() {
            "dispatched" => ParcelState::Dispatched,
            "cancelled" => ParcelState::Cancelled,
            _ => ParcelState::Prepared,
        },
    })
}

impl OrderActivities {
    /// Writes the row first, then calls the provider with the payment's idempotency key, then
    /// updates the row. If the worker dies in between, the next try finds the row, repeats the call
    /// with the same key and receives the first response.
    async fn charge_once(
        &self,
        write: OrderWrite<'_>,
        charge: &ChargePaymentInput,
    ) -> Result<ChargeOutcome, StepError> {
        let provider = self.providers.providers.charging();
        let new = Charge {
            payment_id: &charge.payment_id,
            amount: charge.amount,
            provider: provider.name(),
            payment_method: charge.payment_method.as_deref(),
        };
        let Some(claim) = ledger::claim_charge(&self.pool, write, new).await? else {
            return Ok(ChargeOutcome::InUse);
        };
        if let Some(charged) = charged_before(&claim) {
            return Ok(charged);
        }
        let claimed = claim.transaction();
        if claimed.provider != provider.name() {
            // The other provider may have charged already. A worker that uses that provider finds
            // out.
            let reason = format!(
                "this payment was started at {}, and this worker uses another provider",
                claimed.provider
            );
            return Ok(ChargeOutcome::Unavailable { reason });
        }
        let request = ChargeRequest {
            past: Past {
                since: claim.since(),
                asked: claim.known,
                transaction_id: claimed.transaction_id.clone(),
            },
            payment_id: charge.payment_id.clone(),
            order_id: charge.write.record.order_id.clone(),
            amount: charge.amount,
            payment_method: charge.payment_method.clone(),
            capture: charge.capture,
        };
        let call = provider.charge(&request);
        let answer = match self.providers.run(provider.name(), call).await {
            Ok(answer) => answer,
            // The provider was not asked.
            Err(busy @ CallError::Busy(_)) => return Err(busy.into()),
            Err(CallError::Provider(error)) => {
                return Ok(ChargeOutcome::Unavailable {
                    reason: error.to_string(),
                });
            }
            Err(silent @ CallError::Silent) => {
                return Ok(ChargeOutcome::Unavailable {
                    reason: silent.to_string(),
                });
            }
        };
        let minor = Some(charge.amount.minor());
        let (transaction_id, movement) = match &answer {
            Answer::Captured(id) => (Some(id), Some((MovementKind::CapturedTotal, minor))),
            Answer::Authorised(id) => (Some(id), Some((MovementKind::Authorised, minor))),
            Answer::Unfinished(id) => (Some(id), None),
            Answer::Declined(_) => (None, Some((MovementKind::Voided, None))),
        };
        let movements: Vec<_> = movement
            .into_iter()
            .map(|(kind, amount)| Movement::new(kind, "charge", amount))
            .collect();
        let recorded =
            ledger::record_charge(&self.pool, &claim, transaction_id, &movements).await?;
        let transaction = Box::new(recorded.unwrap_or(claimed));
        Ok(match answer {
            Answer::Captured(transaction_id) => ChargeOutcome::Captured {
                transaction_id,
                transaction: Some(transaction),
            },
            Answer::Authorised(_) => ChargeOutcome::Authorised { transaction },
            Answer::Unfinished(transaction_id) => ChargeOutcome::Unfinished { transaction_id },
            Answer::Declined(reason) => ChargeOutcome::Declined { reason },
        })
    }

    async fn confirm_once(
        &self,
        write: OrderWrite<'_>,
        paid: &RecordPaymentInput,
    ) -> Result<RecordPaymentResult, store::Error> {
        let confirmation = &paid.confirmation;
        let transaction_id = &confirmation.transaction_id;
        let provider = confirmation
            .provider
            .map_or(EXTERNAL, WebhookProvider::as_str);
        let is_derived = paid.payment_id == PaymentId::of_transaction(provider, transaction_id);
        let source = match confirmation.provider {
            Some(_) => PaymentSource::Webhook,
            None => PaymentSource::Api,
        };
        let claimed = ledger::claim(
            &self.pool,
            write,
            Confirmation {
                own_payment_id: Some(&paid.payment_id).filter(|_| !is_derived),
                transaction_id,
                amount: paid.amount,
                provider: confirmation.provider,
                payment_method: confirmation.payment_method.as_deref(),
                source,
                event: paid.event.as_deref(),
            },
        )
        .await?;
        let (outcome, transaction) = match claimed {
            Claim::Ours(transaction) => {
                let balance = &transaction.balance;
                // Events about a later refund or dispute can have arrived before this call.
                // An attempt that ended without money leaves the order waiting.
                let is_gone = balance.available() == 0 && balance.captured > 0;
                let outcome = if is_gone {
                    RecordPaymentOutcome::AlreadyRefunded
                } else {
                    RecordPaymentOutcome::Recorded
                };
                (outcome, Some(transaction))
            }
            Claim::PaymentInUse(transaction) => {
                (RecordPaymentOutcome::PaymentInUse, Some(transaction))
            }
            Claim::TransactionInUse => (RecordPaymentOutcome::TransactionInUse, None),
            Claim::Unneeded(transaction) => {
                (RecordPaymentOutcome::TransactionInUse, Some(transaction))
            }
        };
        Ok(RecordPaymentResult::Recorded {
            outcome,
            transaction: transaction.map(Box::new),
        })
    }

    async fn capture_once(
        &self,
        write: OrderWrite<'_>,
        capture: &CapturePaymentInput,
    ) -> Result<Option<Transaction>, StepError> {
        let order_id = &capture.write.record.order_id;
        write_order(&self.pool, write).await?;
        let transactions = ledger::list_by_order(&self.pool, order_id).await?;
        let found = transactions
            .into_iter()
            .find(|transaction| transaction.payment_id == capture.payment_id);
        let Some(transaction) = found else {
            return Ok(None);
        };
        let wanted = capture.amount.min(transaction.balance.capturable());
        let amount = Money::from_minor(wanted, transaction.currency);
        let (Ok(amount), Some(transaction_id)) = (amount, transaction.transaction_id.clone())
        else {
            return Ok(Some(transaction));
        };
        if amount.is_zero() {
            return Ok(Some(transaction));
        }
        let provider = self.providers.providers.for_payment(&transaction.provider);
        let request = CaptureRequest {
            order_id: order_id.clone(),
            transaction_id,
            amount,
            key: format!("capture:{order_id}:{}", capture.payment_id),
        };
        let answer = self
            .providers
            .run(provider.name(), provider.capture(&request))
            .await?;
        let movement = match answer {
            Capture::Captured {
                capture_id: Some(id),
                amount,
            } => Movement::new(MovementKind::Captured, id, Some(amount.minor())),
            Capture::Captured {
                capture_id: None,
                amount,
            } => Movement::new(
                MovementKind::CapturedTotal,
                "dispatch",
                Some(amount.minor()),
            ),
            Capture::Requested => return Ok(Some(transaction)),
            Capture::Refused { reason } => {
                tracing::warn!(
                    order.id = order_id.as_str(),
                    "the provider refused the capture after dispatch, which is an entry of `orderflow money list`: {reason}"
                );
                Movement::new(MovementKind::CaptureRefused, "dispatch", None)
            }
            Capture::Unsupported => {
                Movement::new(MovementKind::CaptureRefused, "unsupported", None)
            }
        };
        Ok(ledger::record(&self.pool, &capture.payment_id, None, &[movement]).await?)
    }

    /// Asks every provider for payments of the order, and records those that can pay it.
    async fn look_up_once(
        &self,
        write: OrderWrite<'_>,
        look_up: &LookUpPaymentsInput,
    ) -> Result<LookUpPaymentsOutcome, StepError> {
        let order_id = &look_up.write.record.order_id;
        write_order(&self.pool, write).await?;
        let mut outcome = LookUpPaymentsOutcome {
            transactions: Vec::new(),
            processing: false,
        };
        for provider in self.providers.providers.all() {
            let Some(name) = WebhookProvider::parse(provider.name()) else {
                continue;
            };
            let call = provider.find_payments(order_id, look_up.since);
            let found = self.providers.run(provider.name(), call).await?;
            for payment in found {
                outcome.processing |= payment.processing;
                let is_money = !payment.captured.is_zero() || payment.authorised.is_some();
                if !is_money || payment.captured.currency() != look_up.total.currency() {
                    continue;
                }
                let event = found_event(name, order_id.clone(), &payment);
                let claimed = ledger::claim(
                    &self.pool,
                    write,
                    Confirmation {
                        own_payment_id: payment.payment_id.as_ref(),
                        transaction_id: &payment.transaction_id,
                        amount: payment
                            .authorised
                            .filter(|_| payment.captured.is_zero())
                            .unwrap_or(payment.captured),
                        provider: Some(name),
                        payment_method: None,
                        source: PaymentSource::LookUp,
                        event: Some(&event),
                    },
                )
                .await?;
                if let Claim::Ours(transaction) | Claim::PaymentInUse(transaction) = claimed {
                    outcome.transactions.push(transaction);
                }
            }
        }
        Ok(outcome)
    }

    /// Refunds a payment with any outcome: refunds captured money, voids a payment without any.
    async fn refund_once(
        &self,
        write: OrderWrite<'_>,
        refund: &RefundPaymentInput,
    ) -> Result<RefundOutcome, StepError> {
        let order_id = &refund.write.record.order_id;
        write_order(&self.pool, write).await?;
        let requested = ledger::request_refund(
            &self.pool,
            order_id,
            &refund.payment_id,
            refund.keep,
            refund.transaction.as_deref(),
        )
        .await?;
        let Some(transaction) = requested else {
            return Ok(RefundOutcome {
                status: PaymentStatus::Declined,
                transaction: None,
            });
        };
        let refunded =
            refund::refund_due(&self.pool, &self.providers, order_id, transaction).await?;
        Ok(RefundOutcome {
            status: refunded.balance.status(true),
            transaction: Some(Box::new(refunded)),
        })
    }
}

/// Returns a provider's record of a payment as an event.
fn found_event(
    provider: WebhookProvider,
    order_id: OrderId,
    payment: &FoundPayment,
) -> PaymentEvent {
    let kind = if payment.captured.is_zero() {
        domain::PaymentEventKind::Authorised {
            amount: payment.authorised.unwrap_or(payment.captured),
            payment_method: None,
            captured: false,
        }
    } else {
        domain::PaymentEventKind::Paid {
            amount: payment.captured,
            payment_method: None,
            capture_id: None,
            refunded: Some(payment.refunded),
        }
    };
    PaymentEvent {
        provider,
        event_id: format!("lookup:{}", payment.transaction_id),
        order_id: Some(order_id),
        transaction_id: Some(payment.transaction_id.clone()),
        aliases: payment.aliases.clone(),
        customer: None,
        payment_id: None,
        kind,
    }
}

/// The data that an earlier try of this charge stored.
fn charged_before(claim: &ChargeClaim) -> Option<ChargeOutcome> {
    let transaction = Box::new(claim.transaction());
    let balance = &transaction.balance;
    match (claim.status(), &transaction.transaction_id.clone()) {
        (PaymentStatus::Captured, Some(transaction_id)) => Some(ChargeOutcome::Captured {
            transaction_id: transaction_id.clone(),
            transaction: Some(transaction),
        }),
        (PaymentStatus::Pending, Some(_)) if balance.capturable() > 0 => {
            Some(ChargeOutcome::Authorised { transaction })
        }
        (PaymentStatus::Declined, _) => Some(ChargeOutcome::Declined {
            reason: "declined before".to_owned(),
        }),
        // A try that Temporal gave up can continue after the compensation. By then, the provider
        // may have forgotten the idempotency key.
        (PaymentStatus::Refunding | PaymentStatus::Refunded | PaymentStatus::RefundDue, _) => {
            Some(ChargeOutcome::Declined {
                reason: "refunded before".to_owned(),
            })
        }
        (PaymentStatus::Pending | PaymentStatus::Captured, _) => None,
    }
}
