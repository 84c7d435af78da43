//! Payment of an order, exactly once: by our own charge, or by money that others report.

use chrono::{DateTime, Utc};
use serde_json::json;
use temporalio_workflow::WorkflowContext;
use waiting::WaitOutcome;

use super::{
    Compensation, OrderStopped, OrderWorkflow, Progress,
    continuation::WaitingPlace,
    current_time, payment_events,
    payments::{AcceptedPayment, AwaitedPayment, ConfirmationOutcome, PaymentPhase},
    persistence,
    refund::{refund_excess, refund_payments},
    waiting,
};
use crate::{
    activity::{
        CapturePaymentInput, ChargeOutcome, ChargePaymentInput, LookUpPaymentsInput,
        OrderActivities, RecordPaymentInput, RecordPaymentOutcome,
    },
    patches, policies,
};
use contract::{PaymentConfirmation, RefusalCode, UpdateOutcome};
use domain::{
    AuditEventType, CaptureMode, Decimal, EXTERNAL, FailureCode, Money, Order, OrderStatus,
    PaymentId, PaymentInfo, PaymentStatus, Span, Step, Transaction, TransactionId, WaitReason,
    WaitingFor, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// Charges the order or waits for its payment. On success the order is `payment_confirmed`.
pub(super) async fn collect_payment(ctx: &Context) -> Progress {
    waiting::ensure_not_stopped(ctx)?;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        if !order.takes_up(WaitingPlace::PaymentDelay) {
            let delay = order.policy.payment_processing_delay;
            order.state.enter_step(Step::Pay);
            order.state.waiting_for =
                (!delay.is_zero()).then(|| WaitingFor::new(WaitReason::PaymentDelay, now, delay));
        }
    });
    if let Some(left) = waiting::time_left(ctx).filter(|left| !left.is_zero()) {
        waiting::wait_at(ctx, WaitingPlace::PaymentDelay, |_| false, left).await?;
    }
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| order.state.waiting_for = None);
    let Some(valid) = ctx.state(|order| order.state.order.clone()) else {
        return Err(OrderStopped);
    };
    if ctx.state(|order| order.is_charged(&valid)) {
        charge_payment(ctx, &valid).await?;
    } else {
        await_payment(ctx, &valid, None).await?;
    }
    mark_paid(ctx)
}

/// Resumes the wait for a payment in which the run before continued as new.
pub(super) async fn resume_payment(ctx: &Context) -> Progress {
    ctx.state_mut(|order| order.takes_up(WaitingPlace::Payment));
    let Some(valid) = ctx.state(|order| order.state.order.clone()) else {
        return Err(OrderStopped);
    };
    await_money(ctx, &valid).await?;
    mark_paid(ctx)
}

/// Refunds a cancelled payment and waits for another one.
pub(super) async fn replace_payment(ctx: &Context) -> Progress {
    persistence::publish_search_attributes(ctx);
    refund_payments(ctx).await;
    ctx.state_mut(|order| {
        order
            .compensations
            .retain(|compensation| *compensation != Compensation::RefundPayment)
    });
    waiting::ensure_not_stopped(ctx)?;
    let Some(valid) = ctx.state(|order| order.state.order.clone()) else {
        return Err(OrderStopped);
    };
    await_payment(ctx, &valid, None).await?;
    mark_paid(ctx)
}

fn mark_paid(ctx: &Context) -> Progress {
    ctx.state_mut(|order| {
        order.payments.phase = PaymentPhase::Covered;
        order.state.waiting_for = None;
    });
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| order.advance_to(OrderStatus::PaymentConfirmed, Step::Pay))
}

async fn charge_payment(ctx: &Context, valid: &Order) -> Progress {
    let payment_id = payment_id_or_default(ctx, valid)?;
    let started = current_time(ctx);
    ctx.state_mut(|order| {
        // Added before the charge. If the response is lost, the refund finds out whether the charge
        // succeeded.
        order.compensations.push(Compensation::RefundPayment);
        order.payments.phase = PaymentPhase::Charging;
        order.state.payment = Some(pending_payment(
            &payment_id,
            None,
            valid.total,
            valid.payment_method.clone(),
            started,
        ));
    });
    let mut number = 0;
    loop {
        number += 1;
        match call_provider(ctx, valid, &payment_id).await {
            ChargeOutcome::Captured {
                transaction_id,
                transaction,
            } => {
                return record_charge(ctx, transaction_id, transaction.map(|noted| *noted));
            }
            ChargeOutcome::Authorised { transaction } => {
                return record_authorisation(ctx, *transaction);
            }
            ChargeOutcome::Unfinished { transaction_id } => {
                // The charge now stays open at the provider. The refund closes it if no
                // confirmation arrives.
                return await_payment(ctx, valid, Some(transaction_id)).await;
            }
            ChargeOutcome::Declined { reason } => {
                return fail_payment(
                    ctx,
                    FailureCode::PaymentDeclined,
                    AuditEventType::PaymentDeclined,
                    reason,
                );
            }
            ChargeOutcome::InUse => {
                let reason = format!("{payment_id} is used for another order");
                return fail_payment(
                    ctx,
                    FailureCode::PaymentIdInUse,
                    AuditEventType::PaymentDeclined,
                    reason,
                );
            }
            ChargeOutcome::Unavailable { reason } => {
                count_unavailable_call(ctx, started, number, reason)?
            }
        }
        // If the order is cancelled during the pause, the refund finds out whether the charge
        // succeeded.
        waiting::wait_for(ctx, policies::backoff(number)).await?;
    }
}

/// Makes one call to the provider. Repeated calls with the same payment id charge once.
async fn call_provider(ctx: &Context, valid: &Order, payment_id: &PaymentId) -> ChargeOutcome {
    let capture = ctx.state(|order| order.policy.capture);
    let charge = |write| ChargePaymentInput {
        write,
        payment_id: payment_id.clone(),
        amount: valid.total,
        payment_method: valid.payment_method.clone(),
        capture,
    };
    persistence::run_durable(ctx, OrderActivities::charge_payment, charge).await
}

/// Makes one last call for a charge that waits for its customer, because its confirmation may be
/// lost. Returns whether the charge has paid the order.
async fn query_unfinished_charge(ctx: &Context, valid: &Order) -> bool {
    let unfinished = |order: &OrderWorkflow| {
        let payment = order.state.payment.as_ref();
        order.payments.unfinished().and(payment).cloned()
    };
    let Some(payment) = ctx.state(unfinished) else {
        return false;
    };
    match call_provider(ctx, valid, &payment.payment_id).await {
        ChargeOutcome::Captured {
            transaction_id,
            transaction,
        } => {
            let transaction = transaction.map(|noted| *noted);
            record_charge(ctx, transaction_id, transaction).is_ok()
        }
        ChargeOutcome::Authorised { transaction } => {
            record_authorisation(ctx, *transaction).is_ok()
        }
        ChargeOutcome::Unfinished { .. }
        | ChargeOutcome::Declined { .. }
        | ChargeOutcome::InUse
        | ChargeOutcome::Unavailable { .. } => false,
    }
}

/// Counts a call without a clear response. The order fails when the provider did not respond for
/// `payment_retry_for`.
fn count_unavailable_call(
    ctx: &Context,
    started: DateTime<Utc>,
    number: u32,
    reason: String,
) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.count_retry(Step::Pay);
        order.append_audit_event(
            AuditEventType::PaymentUnavailable,
            json!({"reason": reason, "try": number}),
            now,
        );
        let unavailable_for =
            (now - started).to_std().unwrap_or_default() + policies::backoff(number);
        if unavailable_for > order.policy.payment_retry_for.duration() {
            order.transition_to_failed(
                FailureCode::PaymentUnavailable,
                format!("the payment provider did not respond: {reason}"),
                now,
            );
            return Err(OrderStopped);
        }
        Ok(())
    })
}

/// Records our captured charge.
fn record_charge(
    ctx: &Context,
    transaction_id: TransactionId,
    transaction: Option<Transaction>,
) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        // A caller may have confirmed this transaction during the call and waits for the outcome.
        if order.payments.accepts(&transaction_id) {
            order
                .payments
                .outcomes
                .insert(transaction_id.clone(), ConfirmationOutcome::Recorded);
            order
                .payments
                .accepted
                .retain(|accepted| accepted.confirmation.transaction_id != transaction_id);
        }
        if let Some(payment) = &mut order.state.payment {
            payment.transaction_id = Some(transaction_id);
        }
        order.payments.phase = PaymentPhase::Covered;
        match transaction {
            Some(transaction) => order.note_transaction(transaction, now),
            None => order.note_status(PaymentStatus::Captured, now),
        }
        let payment = order.state.payment.clone();
        order.append_audit_event(AuditEventType::PaymentCaptured, json!(payment), now);
        Ok(())
    })
}

/// Records our charge whose money is captured after dispatch.
fn record_authorisation(ctx: &Context, transaction: Transaction) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.payments.phase = PaymentPhase::Covered;
        order.note_transaction(transaction, now);
        let payment = order.state.payment.clone();
        order.append_audit_event(AuditEventType::PaymentAuthorised, json!(payment), now);
        Ok(())
    })
}

/// Captures authorised money after dispatch. Money that cannot be captured is an entry of the work
/// list.
pub(super) async fn capture_payments(ctx: &Context) {
    if ctx.state(|order| order.policy.capture) != CaptureMode::OnDispatch {
        return;
    }
    // Each transaction is asked once. A refused capture leaves its part to the others.
    let mut asked = Vec::new();
    while let Some((payment_id, amount)) = ctx.state(|order| next_capture(order, &asked)) {
        asked.push(payment_id.clone());
        let captured = persistence::run_durable(ctx, OrderActivities::capture_payment, |write| {
            CapturePaymentInput {
                write,
                payment_id: payment_id.clone(),
                amount,
            }
        })
        .await;
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            let Some(transaction) = captured else { return };
            let is_captured = transaction.balance.captured > 0;
            let is_refused = !transaction.balance.concerns.is_empty();
            order.note_transaction(transaction, now);
            let payment = order.state.payment.clone();
            if is_captured {
                order.append_audit_event(AuditEventType::PaymentCaptured, json!(payment), now);
            } else if is_refused {
                order.append_audit_event(
                    AuditEventType::PaymentCaptureFailed,
                    json!({"payment": payment, "reason": "capture_refused"}),
                    now,
                );
            }
        });
    }
}

/// Returns the next transaction to capture and its amount in minor units, until the captured money
/// reaches the order's total.
fn next_capture(order: &OrderWorkflow, asked: &[PaymentId]) -> Option<(PaymentId, i64)> {
    let transactions = order.payments.transactions();
    let captured: i64 = transactions
        .iter()
        .map(|transaction| transaction.balance.available())
        .sum();
    let left = order.state.order.as_ref()?.total.minor() - captured;
    transactions
        .iter()
        .filter(|transaction| !asked.contains(&transaction.payment_id))
        .map(|transaction| (transaction, transaction.balance.capturable().min(left)))
        .find(|(_, amount)| *amount > 0)
        .map(|(transaction, amount)| (transaction.payment_id.clone(), amount))
}

/// Fails the order after a final refusal. The payment was not captured, so no refund is necessary.
fn fail_payment(
    ctx: &Context,
    code: FailureCode,
    kind: AuditEventType,
    reason: String,
) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order
            .compensations
            .retain(|compensation| *compensation != Compensation::RefundPayment);
        if let Some(payment) = &mut order.state.payment {
            payment.status = PaymentStatus::Declined;
            payment.timestamp = now;
        }
        order.append_audit_event(kind, json!({"code": code, "reason": reason}), now);
        order.transition_to_failed(code, reason, now);
    });
    Err(OrderStopped)
}

/// Waits until the recorded money reaches the total. `unfinished` is the transaction of our charge
/// that needs an action of the customer.
async fn await_payment(
    ctx: &Context,
    valid: &Order,
    unfinished: Option<TransactionId>,
) -> Progress {
    let requested = current_time(ctx);
    ctx.state_mut(|order| {
        let mut payload = json!({
            "amount": valid.total.decimal(),
            "currency": valid.currency,
            "timeout": order.policy.payment_timeout,
        });
        if let Some(transaction_id) = &unfinished {
            payload["transaction_id"] = json!(transaction_id);
        }
        order.payments.phase = PaymentPhase::Awaiting(AwaitedPayment {
            requested,
            unfinished,
            ..AwaitedPayment::default()
        });
        order.state.waiting_for = waiting_for(order, valid, requested);
        order.append_audit_event(AuditEventType::PaymentRequested, payload, requested);
    });
    persistence::publish_search_attributes(ctx);
    await_money(ctx, valid).await
}

async fn await_money(ctx: &Context, valid: &Order) -> Progress {
    let awaited = |order: &OrderWorkflow| order.payments.awaited().map(|awaited| awaited.requested);
    let requested = ctx.state(awaited).unwrap_or_else(|| current_time(ctx));
    loop {
        persistence::write_pending(ctx).await;
        let (left, timeout) = ctx.state_mut(|order| {
            order.state.waiting_for = waiting_for(order, valid, requested);
            let timeout = payment_timeout(order);
            let elapsed = (current_time(ctx) - requested).to_std().unwrap_or_default();
            (timeout.duration().saturating_sub(elapsed), timeout)
        });
        let wake: fn(&OrderWorkflow) -> bool = if ctx.state(is_processing) {
            has_payment_news
        } else {
            has_payment_news_or_is_processing
        };
        if waiting::wait_at(ctx, WaitingPlace::Payment, wake, left).await? == WaitOutcome::TimedOut
        {
            if query_unfinished_charge(ctx, valid).await {
                return Ok(());
            }
            if ctx.patched(patches::LOOK_UP_PAYMENTS)
                && look_up_payments(ctx, valid, requested).await
            {
                continue;
            }
            let now = current_time(ctx);
            ctx.state_mut(|order| {
                order.append_audit_event(
                    AuditEventType::PaymentTimedOut,
                    json!({"timeout": timeout}),
                    now,
                );
                order.transition_to_cancelled(
                    Some(format!("no payment within {timeout}")),
                    "payment_timeout",
                    now,
                );
            });
            return Err(OrderStopped);
        }
        if let Some(accepted) = ctx.state(|order| order.payments.accepted.front().cloned()) {
            record_payment(ctx, valid, accepted).await?;
        } else if let Some(reason) = ctx.state(|order| order.payments.awaited()?.declined.clone()) {
            return fail_payment(
                ctx,
                FailureCode::PaymentDeclined,
                AuditEventType::PaymentDeclined,
                reason,
            );
        }
        if ctx.state(OrderWorkflow::is_covered) {
            ctx.state_mut(|order| {
                order.payments.phase = PaymentPhase::Covered;
                let now = current_time(ctx);
                order.refresh_payment_info(now);
            });
            refund_excess(ctx).await;
            return Ok(());
        }
    }
}

fn is_processing(order: &OrderWorkflow) -> bool {
    order
        .payments
        .awaited()
        .is_some_and(|awaited| awaited.processing)
}

fn has_payment_news(order: &OrderWorkflow) -> bool {
    let is_declined = order
        .payments
        .awaited()
        .is_some_and(|awaited| awaited.declined.is_some());
    !order.payments.accepted.is_empty() || is_declined || order.is_covered()
}

fn has_payment_news_or_is_processing(order: &OrderWorkflow) -> bool {
    has_payment_news(order) || is_processing(order)
}

fn payment_timeout(order: &OrderWorkflow) -> Span {
    let policy = &order.policy;
    if is_processing(order) {
        policy
            .payment_processing_timeout
            .max(policy.payment_timeout)
    } else {
        policy.payment_timeout
    }
}

fn waiting_for(
    order: &OrderWorkflow,
    valid: &Order,
    requested: DateTime<Utc>,
) -> Option<WaitingFor> {
    let reason = if is_processing(order) {
        WaitReason::PaymentProcessing
    } else if order.missing_money(valid) < valid.total.minor() {
        WaitReason::PaymentRest
    } else {
        WaitReason::Payment
    };
    Some(WaitingFor::new(reason, requested, payment_timeout(order)))
}

/// Asks the providers for payments whose webhook events may be lost. Returns whether the order has
/// a reason to go on: the money reaches the total, or a provider processes a slow payment.
async fn look_up_payments(ctx: &Context, valid: &Order, requested: DateTime<Utc>) -> bool {
    let was_processing = ctx.state(is_processing);
    let found = persistence::run_durable(ctx, OrderActivities::look_up_payments, |write| {
        LookUpPaymentsInput {
            write,
            total: valid.total,
            since: requested,
        }
    })
    .await;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        for transaction in found.transactions {
            let is_new = order
                .payments
                .find_by_payment_id(&transaction.payment_id)
                .is_none();
            let payload = json!({
                "transaction_id": transaction.transaction_id,
                "provider": transaction.provider,
                "source": "lookup",
            });
            let amount = Decimal::new(
                transaction
                    .balance
                    .captured
                    .max(transaction.balance.authorised),
                transaction.currency.exponent(),
            );
            let transaction_id = transaction.transaction_id.clone();
            add_refund_compensation(order);
            order.note_transaction(transaction, now);
            let entry = match transaction_id {
                Some(id) if !order.is_covered() => order.part_entry(&id, amount, valid),
                _ => (AuditEventType::PaymentConfirmed, payload),
            };
            if is_new {
                order.append_audit_event(entry.0, entry.1, now);
            }
        }
        let begins_processing = found.processing && !was_processing;
        if let Some(awaited) = order.payments.awaited_mut().filter(|_| begins_processing) {
            awaited.processing = true;
        }
        order.is_covered() || begins_processing
    })
}

pub(super) fn add_refund_compensation(order: &mut OrderWorkflow) {
    // A charge that waited for its customer has added its compensation already.
    if !order.compensations.contains(&Compensation::RefundPayment) {
        order.compensations.push(Compensation::RefundPayment);
    }
}

/// Returns [`OrderWorkflow::replaceable_money`]; zero in an order that began before this rule.
pub(super) fn replaceable_money(ctx: &Context) -> i64 {
    let replaceable = ctx.state(OrderWorkflow::replaceable_money);
    if replaceable > 0 && ctx.patched(patches::REPLACE_MISSING_MONEY) {
        replaceable
    } else {
        0
    }
}

/// Records the payments that replace missing money. The order has left the payment step, which
/// records all other payments.
pub(super) async fn record_replacements(ctx: &Context) {
    if ctx.state(|order| order.payments.phase == PaymentPhase::Covered) {
        record_accepted_payments(ctx).await;
    }
}

/// Records the payments that an order has accepted, one at a time.
pub(super) async fn record_accepted_payments(ctx: &Context) {
    let is_free = |order: &OrderWorkflow| !order.payments.is_recording;
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(is_free, waiting::detached_wait())
        .await;
    ctx.state_mut(|order| order.payments.is_recording = true);
    record_each_payment(ctx).await;
    ctx.state_mut(|order| order.payments.is_recording = false);
}

async fn record_each_payment(ctx: &Context) {
    loop {
        let next = ctx.state(|order| {
            let accepted = order.payments.accepted.front().cloned();
            order.state.order.clone().zip(accepted)
        });
        let Some((valid, accepted)) = next else {
            return;
        };
        // A stopped order only adds the compensation, if the payment is valid.
        let _ = record_payment(ctx, &valid, accepted).await;
    }
}

/// Records an accepted payment. The order fails if its own payment id is used for another order.
async fn record_payment(ctx: &Context, valid: &Order, accepted: AcceptedPayment) -> Progress {
    let AcceptedPayment {
        confirmation,
        event,
        amount,
    } = accepted;
    // The order's own payment id names one payment. Each later payment has another id.
    let own = ctx.state(
        |order| match (order.payments.unfinished(), &order.state.payment) {
            (Some(_), Some(unfinished)) => Some(unfinished.payment_id.clone()),
            _ => valid.payment_id.clone().filter(|_| {
                order.payments.cancelled.is_empty() && order.payments.transactions().is_empty()
            }),
        },
    );
    let is_own = own.is_some();
    let payment_id = match own {
        Some(payment_id) => payment_id,
        None => {
            let provider = confirmation
                .provider
                .map_or(EXTERNAL, WebhookProvider::as_str);
            PaymentId::of_transaction(provider, &confirmation.transaction_id)
        }
    };
    let used = payment_id.clone();
    let started = current_time(ctx);
    let before = ctx.state(|order| (order.state.payment.clone(), order.compensations.clone()));
    ctx.state_mut(|order| {
        add_refund_compensation(order);
        if order.payments.transactions().is_empty() {
            order.state.payment = Some(pending_payment(
                &payment_id,
                Some(confirmation.transaction_id.clone()),
                valid.total,
                confirmation.payment_method.clone(),
                started,
            ));
        }
    });
    let recorded = persistence::run_durable(ctx, OrderActivities::record_payment, |write| {
        RecordPaymentInput {
            write,
            payment_id: payment_id.clone(),
            amount: Money::from_minor(amount, valid.currency).unwrap_or(valid.total),
            confirmation: confirmation.clone(),
            event: event.clone(),
        }
    });
    let (outcome, transaction) = recorded.await.into_parts();
    let reporter = confirmation.provider.or_else(|| {
        let provider = transaction.as_ref().map(|taken| taken.provider.as_str());
        WebhookProvider::parse(provider?)
    });
    let is_lost = outcome == RecordPaymentOutcome::AlreadyRefunded
        && (confirmation.provider.is_some() || ctx.patched(patches::CANCEL_LOST_CONFIRMATION));
    let now = current_time(ctx);
    let transaction_id = confirmation.transaction_id.clone();
    ctx.state_mut(|order| {
        order
            .payments
            .accepted
            .retain(|accepted| accepted.confirmation.transaction_id != transaction_id);
        match outcome {
            RecordPaymentOutcome::Recorded | RecordPaymentOutcome::AlreadyRefunded => {
                match transaction {
                    Some(transaction) => order.note_transaction(transaction, now),
                    None => order.note_status(PaymentStatus::Captured, now),
                }
                if let Some(awaited) = order.payments.awaited_mut() {
                    awaited.unfinished = None;
                }
                let (kind, payload) = order.receipt_entry(&transaction_id, &confirmation, valid);
                order.append_audit_event(kind, payload, now);
                let by_api = confirmation.provider.is_none();
                if is_lost && !(by_api && order.is_stopped()) {
                    let cancellation = payment_events::cancellation_for_lost_payment(reporter);
                    let reason = cancellation.reason.clone().unwrap_or_default();
                    order.decide_cancel(cancellation, now);
                    if by_api {
                        let detail = format!("the order is cancelled, because {reason}");
                        order.refuse_confirmation(transaction_id, RefusalCode::OrderClosed, detail);
                        return Ok(());
                    }
                }
                order
                    .payments
                    .outcomes
                    .insert(transaction_id, ConfirmationOutcome::Recorded);
                Ok(())
            }
            RecordPaymentOutcome::PaymentInUse if is_own => {
                (order.state.payment, order.compensations) = before;
                if let Some(transaction) = transaction {
                    // The money is due: it belongs to no order.
                    order.note_transaction(transaction, now);
                }
                let detail = format!("{used} is used for another order");
                order.append_audit_event(
                    AuditEventType::PaymentDeclined,
                    json!({
                        "code": FailureCode::PaymentIdInUse,
                        "reason": detail,
                        "transaction_id": transaction_id,
                        "amount": confirmation.amount,
                    }),
                    now,
                );
                order.transition_to_failed(FailureCode::PaymentIdInUse, detail.clone(), now);
                order.refuse_confirmation(transaction_id, RefusalCode::PaymentIdInUse, detail);
                Err(OrderStopped)
            }
            // A payment id derived from the transaction collides exactly when the transaction is in
            // use.
            RecordPaymentOutcome::PaymentInUse | RecordPaymentOutcome::TransactionInUse => {
                (order.state.payment, order.compensations) = before;
                order.audit_refused_payment(&confirmation, RefusalCode::PaymentIdInUse, now);
                let detail = match transaction {
                    Some(_) => format!(
                        "{transaction_id} was not accepted as a payment, and its money is refunded or must be; \
                         see `orderflow money list`"
                    ),
                    None => format!("{transaction_id} is used for another order"),
                };
                order.refuse_confirmation(transaction_id, RefusalCode::PaymentIdInUse, detail);
                Ok(())
            }
        }
    })
}

impl OrderWorkflow {
    /// Returns whether the order charges its own payment id. After a cancelled payment, the next
    /// payment arrives by confirmation.
    pub(super) fn is_charged(&self, valid: &Order) -> bool {
        self.policy.charges_payment(valid) && self.payments.cancelled.is_empty()
    }

    fn refuse_confirmation(
        &mut self,
        transaction_id: TransactionId,
        code: RefusalCode,
        detail: String,
    ) {
        let refusal = UpdateOutcome::Refused {
            code,
            detail,
            status: self.state.status(),
        };
        self.payments
            .outcomes
            .insert(transaction_id, ConfirmationOutcome::Refused(refusal));
    }

    /// Returns the audit event of a recorded payment: of all money, or of a part.
    fn receipt_entry(
        &self,
        transaction_id: &TransactionId,
        confirmation: &PaymentConfirmation,
        valid: &Order,
    ) -> (AuditEventType, serde_json::Value) {
        if self.is_covered() {
            let payload = self.payment_payload(transaction_id);
            return (AuditEventType::PaymentConfirmed, payload);
        }
        self.part_entry(transaction_id, confirmation.amount, valid)
    }

    /// Returns the audit event of money below the total.
    pub(super) fn part_entry(
        &self,
        transaction_id: &TransactionId,
        amount: Decimal,
        valid: &Order,
    ) -> (AuditEventType, serde_json::Value) {
        let missing = Decimal::new(self.missing_money(valid), valid.currency.exponent());
        let payload = json!({
            "transaction_id": transaction_id,
            "amount": amount,
            "missing": missing,
        });
        (AuditEventType::PaymentPartReceived, payload)
    }

    /// Returns the payment for an audit event about one of its transactions.
    fn payment_payload(&self, transaction_id: &TransactionId) -> serde_json::Value {
        let mut payload = json!(self.state.payment);
        if let Some(transaction) = self.payments.find(transaction_id) {
            payload["transaction_id"] = json!(transaction_id);
            payload["payment_id"] = json!(transaction.payment_id);
        }
        payload
    }

    /// Marks the payment for refund and moves the order back to the payment step.
    pub(super) fn apply_payment_cancel(&mut self, now: DateTime<Utc>) -> Progress {
        self.advance_to(OrderStatus::Pending, Step::Pay)?;
        self.payments.accepted.clear();
        self.payments.outcomes.clear();
        self.payments.phase = PaymentPhase::NotStarted;
        self.payments.cancel_all();
        if let Some(payment) = &mut self.state.payment {
            payment.status = PaymentStatus::Refunding;
        }
        let payment = self.state.payment.clone();
        self.append_audit_event(AuditEventType::PaymentCancelled, json!(payment), now);
        Ok(())
    }
}

fn payment_id_or_default(ctx: &Context, valid: &Order) -> Progress<PaymentId> {
    let default_id = || {
        PaymentId::parse(&format!(
            "pmt-{}",
            ctx.state(|order| order.state.order_id.clone())
        ))
    };
    valid
        .payment_id
        .clone()
        .map_or_else(default_id, Ok)
        .map_err(|_| OrderStopped)
}

fn pending_payment(
    payment_id: &PaymentId,
    transaction_id: Option<TransactionId>,
    amount: Money,
    payment_method: Option<String>,
    timestamp: DateTime<Utc>,
) -> PaymentInfo {
    PaymentInfo {
        payment_id: payment_id.clone(),
        transaction_id,
        amount: amount.decimal(),
        payment_method,
        status: PaymentStatus::Pending,
        timestamp,
        captured: None,
        refunded: None,
        lost: None,
        due: None,
        dispute: None,
    }
}
