//! Getting paid: exactly once, by a charge of ours or by somebody's confirmation.

use serde_json::json;
use temporalio_workflow::WorkflowContext;
use wait::Waited;

use super::{OrderWorkflow, Progress, Stopped, Undo, Verdict, notices, now, save, unwind, wait};
use crate::{
    activity::{Charge, Charged, ConfirmedPayment, OrderSteps, PaymentRecorded},
    policies,
};
use contract::{Answer, PaymentConfirmation, RefusalCode};
use domain::{
    EventType, FailureCode, Money, Order, OrderStatus, PaymentId, PaymentInfo, PaymentStatus, Step,
    TransactionId, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// Charges the order or waits for its payment; the order is `payment_confirmed` after it.
pub(super) async fn pay(ctx: &Context) -> Progress {
    wait::check(ctx)?;
    ctx.state_mut(|order| order.record.enter(Step::Pay));
    wait::pause(
        ctx,
        ctx.state(|order| order.policy.payment_processing_delay.duration()),
    )
    .await?;
    let Some(valid) = ctx.state(|order| order.record.order.clone()) else {
        return Err(Stopped);
    };
    if ctx.state(|order| order.is_charged(&valid)) {
        charge(ctx, &valid).await?;
    } else {
        await_confirmation(ctx, &valid).await?;
    }
    paid(ctx)
}

/// Gives back a payment that was cancelled, and waits for another one.
pub(super) async fn pay_again(ctx: &Context) -> Progress {
    save::publish(ctx);
    unwind::refund(ctx).await;
    ctx.state_mut(|order| order.undo.retain(|undo| *undo != Undo::RefundPayment));
    wait::check(ctx)?;
    let Some(valid) = ctx.state(|order| order.record.order.clone()) else {
        return Err(Stopped);
    };
    await_confirmation(ctx, &valid).await?;
    paid(ctx)
}

fn paid(ctx: &Context) -> Progress {
    wait::check(ctx)?;
    ctx.state_mut(|order| order.advance(OrderStatus::PaymentConfirmed, Step::Pay))
}

async fn charge(ctx: &Context, valid: &Order) -> Progress {
    let payment_id = payment_id(ctx, valid)?;
    let started = now(ctx);
    ctx.state_mut(|order| {
        // Before the charge: if it took hold without our knowing, the refund finds out.
        order.undo.push(Undo::RefundPayment);
        order.record.payment = Some(payment(
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
        match ask(ctx, valid, &payment_id).await {
            Charged::Captured { transaction_id } => return captured(ctx, transaction_id),
            Charged::Unfinished { transaction_id } => {
                // It can't be declined any more without our asking: the refund closes it when nobody confirms it.
                ctx.state_mut(|order| order.unfinished = Some(transaction_id));
                return await_confirmation(ctx, valid).await;
            }
            Charged::Declined { reason } => {
                return refused(
                    ctx,
                    FailureCode::PaymentDeclined,
                    EventType::PaymentDeclined,
                    reason,
                );
            }
            Charged::InUse => {
                let reason = format!("{payment_id} pays another order");
                return refused(
                    ctx,
                    FailureCode::PaymentIdInUse,
                    EventType::PaymentDeclined,
                    reason,
                );
            }
            Charged::Unavailable { reason } => unavailable(ctx, started, number, reason)?,
        }
        // Cancelled meanwhile: the refund finds out whether this charge holds.
        wait::pause(ctx, policies::backoff(number)).await?;
    }
}

/// Asks the provider once; as often as it is asked, it charges once.
async fn ask(ctx: &Context, valid: &Order, payment_id: &PaymentId) -> Charged {
    let charge = |write| Charge {
        write,
        payment_id: payment_id.clone(),
        amount: valid.total,
        payment_method: valid.payment_method.clone(),
    };
    save::outside(ctx, OrderSteps::charge_payment, charge).await
}

/// A last look at a charge that waited for its customer: what should have confirmed it may have been lost on the way.
async fn unheard(ctx: &Context, valid: &Order) -> Option<TransactionId> {
    let begun = |order: &OrderWorkflow| {
        order
            .unfinished
            .as_ref()
            .and(order.record.payment.as_ref())
            .cloned()
    };
    let payment_id = ctx.state(begun)?.payment_id;
    match ask(ctx, valid, &payment_id).await {
        Charged::Captured { transaction_id } => Some(transaction_id),
        Charged::Unfinished { .. }
        | Charged::Declined { .. }
        | Charged::InUse
        | Charged::Unavailable { .. } => None,
    }
}

/// Counts a try that got no clear answer; the order fails when the provider has been silent for too long.
fn unavailable(
    ctx: &Context,
    started: chrono::DateTime<chrono::Utc>,
    number: u32,
    reason: String,
) -> Progress {
    let now = now(ctx);
    ctx.state_mut(|order| {
        order.record.count_retry(Step::Pay);
        order.audit(
            EventType::PaymentUnavailable,
            json!({"reason": reason, "try": number}),
            now,
        );
        let silent = (now - started).to_std().unwrap_or_default() + policies::backoff(number);
        if silent > order.policy.payment_retry_for.duration() {
            order.fail(
                FailureCode::PaymentUnavailable,
                format!("the payment provider did not answer: {reason}"),
                now,
            );
            return Err(Stopped);
        }
        Ok(())
    })
}

fn captured(ctx: &Context, transaction_id: TransactionId) -> Progress {
    let now = now(ctx);
    ctx.state_mut(|order| {
        if let Some(payment) = &mut order.record.payment {
            payment.transaction_id = Some(transaction_id.clone());
            payment.status = PaymentStatus::Captured;
            payment.timestamp = now;
        }
        // Who confirmed it while it was being asked for has the answer, too.
        if order.unfinished.take().is_some() && order.confirmation.is_some() {
            order.confirmation_verdict = Some(Verdict::Granted);
        }
        let payment = order.record.payment.clone();
        order.audit(EventType::PaymentCaptured, json!(payment), now);
        Ok(())
    })
}

/// The payment did not and will not take hold: there is nothing to refund.
fn refused(ctx: &Context, code: FailureCode, kind: EventType, reason: String) -> Progress {
    let now = now(ctx);
    ctx.state_mut(|order| {
        order.undo.retain(|undo| *undo != Undo::RefundPayment);
        if let Some(payment) = &mut order.record.payment {
            payment.status = PaymentStatus::Declined;
            payment.timestamp = now;
        }
        order.audit(kind, json!({"code": code, "reason": reason}), now);
        order.fail(code, reason, now);
    });
    Err(Stopped)
}

async fn await_confirmation(ctx: &Context, valid: &Order) -> Progress {
    let requested = now(ctx);
    let timeout = ctx.state_mut(|order| {
        let mut payload = json!({"amount": valid.total.decimal(), "currency": valid.currency, "timeout": order.policy.payment_timeout});
        if let Some(transaction_id) = &order.unfinished {
            payload["transaction_id"] = json!(transaction_id);
        }
        order.audit(EventType::PaymentRequested, payload, requested);
        order.payment_awaited = true;
        order.policy.payment_timeout
    });
    save::publish(ctx);
    loop {
        save::flush(ctx).await;
        let elapsed = (now(ctx) - requested).to_std().unwrap_or_default();
        let left = timeout.duration().saturating_sub(elapsed);
        let settled =
            |order: &OrderWorkflow| order.confirmation.is_some() || order.payment_failed.is_some();
        if wait::wait(ctx, settled, left).await? == Waited::TimedOut {
            if let Some(transaction_id) = unheard(ctx, valid).await {
                return captured(ctx, transaction_id);
            }
            let now = now(ctx);
            ctx.state_mut(|order| {
                order.audit(EventType::PaymentTimedOut, json!({"timeout": timeout}), now);
                order.cancel(
                    Some(format!("no payment within {timeout}")),
                    "payment_timeout",
                    now,
                );
            });
            return Err(Stopped);
        }
        if let Some(confirmation) = ctx.state(|order| order.confirmation.clone()) {
            if confirmed(ctx, valid, confirmation).await? {
                ctx.state_mut(|order| order.payment_awaited = false);
                return Ok(());
            }
        } else if let Some(reason) = ctx.state(|order| order.payment_failed.clone()) {
            return refused(
                ctx,
                FailureCode::PaymentDeclined,
                EventType::PaymentDeclined,
                reason,
            );
        }
    }
}

/// Records the confirmation that an order accepted before it was stopped.
pub(super) async fn record_accepted(ctx: &Context) {
    let waiting = ctx.state(|order| {
        let recorded = order
            .record
            .payment
            .as_ref()
            .and_then(|payment| payment.transaction_id.as_ref());
        let accepted = order
            .confirmation
            .clone()
            .filter(|accepted| recorded != Some(&accepted.transaction_id));
        order.record.order.clone().zip(accepted)
    });
    if let Some((valid, confirmation)) = waiting {
        // Whether it holds or is refused, the order is stopped, and the undo knows of it.
        let _ = confirmed(ctx, &valid, confirmation).await;
    }
}

/// Records a confirmation; `false` when the transaction pays another order, and the wait goes on.
async fn confirmed(
    ctx: &Context,
    valid: &Order,
    confirmation: PaymentConfirmation,
) -> Progress<bool> {
    // The order's own payment id names one payment; what comes after that was cancelled has another.
    let own = ctx.state(|order| match (&order.unfinished, &order.record.payment) {
        (Some(_), Some(begun)) => Some(begun.payment_id.clone()),
        _ => valid
            .payment_id
            .clone()
            .filter(|_| order.cancelled_payments.is_empty()),
    });
    let is_own = own.is_some();
    let payment_id = match own {
        Some(payment_id) => payment_id,
        None => {
            let provider = confirmation
                .provider
                .map_or("external", WebhookProvider::as_str);
            PaymentId::parse(&format!("{provider}:{}", confirmation.transaction_id))
                .map_err(|_| Stopped)?
        }
    };
    let used = payment_id.clone();
    let started = now(ctx);
    let before = ctx.state(|order| order.record.payment.clone());
    ctx.state_mut(|order| {
        let method = confirmation.payment_method.clone();
        let transaction_id = Some(confirmation.transaction_id.clone());
        // A charge that waited for its customer has its undo already.
        if !order.undo.contains(&Undo::RefundPayment) {
            order.undo.push(Undo::RefundPayment);
        }
        order.record.payment = Some(payment(
            &payment_id,
            transaction_id,
            valid.total,
            method,
            started,
        ));
    });
    let recorded = save::outside(ctx, OrderSteps::record_payment, |write| ConfirmedPayment {
        write,
        payment_id,
        amount: valid.total,
        confirmation: confirmation.clone(),
    });
    let recorded = recorded.await;
    let now = now(ctx);
    ctx.state_mut(|order| match recorded {
        PaymentRecorded::Recorded | PaymentRecorded::TakenBack => {
            order.unfinished = None;
            if let Some(payment) = &mut order.record.payment {
                payment.status = PaymentStatus::Captured;
            }
            let payment = order.record.payment.clone();
            order.audit(EventType::PaymentConfirmed, json!(payment), now);
            order.confirmation_verdict = Some(Verdict::Granted);
            if let (PaymentRecorded::TakenBack, Some(provider)) = (recorded, confirmation.provider)
            {
                order.request_cancel(notices::taken_back(provider), now);
            }
            Ok(true)
        }
        PaymentRecorded::PaymentInUse if is_own => {
            order.undo.retain(|undo| *undo != Undo::RefundPayment);
            order.record.payment = before;
            order.confirmation = None;
            let detail = format!("{used} pays another order");
            order.audit(
                EventType::PaymentDeclined,
                json!({"code": FailureCode::PaymentIdInUse, "reason": detail}),
                now,
            );
            order.fail(FailureCode::PaymentIdInUse, detail.clone(), now);
            let status = order.record.status();
            let refusal = Answer::Refused {
                code: RefusalCode::PaymentIdInUse,
                detail,
                status,
            };
            order.confirmation_verdict = Some(Verdict::Refused(refusal));
            Err(Stopped)
        }
        // A payment id that we made of the transaction collides where the transaction does.
        PaymentRecorded::PaymentInUse | PaymentRecorded::TransactionInUse => {
            order.undo.retain(|undo| *undo != Undo::RefundPayment);
            order.record.payment = before;
            order.confirmation = None;
            let detail = format!("{} pays another order", confirmation.transaction_id);
            order.refuse("confirm_payment", "payment_id_in_use", now);
            let status = order.record.status();
            let refusal = Answer::Refused {
                code: RefusalCode::PaymentIdInUse,
                detail,
                status,
            };
            order.confirmation_verdict = Some(Verdict::Refused(refusal));
            Ok(false)
        }
    })
}

impl OrderWorkflow {
    /// Whether the order's own payment id is charged. Once a payment was cancelled, the next comes by confirmation.
    pub(super) fn is_charged(&self, valid: &Order) -> bool {
        self.policy.charges(valid) && self.cancelled_payments.is_empty()
    }

    /// Decides that the payment goes back and the order waits for another one.
    pub(super) fn cancel_payment_now(&mut self, now: chrono::DateTime<chrono::Utc>) -> Progress {
        self.advance(OrderStatus::Pending, Step::Pay)?;
        self.confirmation = None;
        self.confirmation_verdict = None;
        if let Some(payment) = &mut self.record.payment {
            payment.status = PaymentStatus::Refunding;
            self.cancelled_payments
                .extend(payment.transaction_id.clone());
        }
        let payment = self.record.payment.clone();
        self.audit(EventType::PaymentCancelled, json!(payment), now);
        Ok(())
    }
}

fn payment_id(ctx: &Context, valid: &Order) -> Progress<PaymentId> {
    let made_up = || {
        PaymentId::parse(&format!(
            "pmt-{}",
            ctx.state(|order| order.record.order_id.clone())
        ))
    };
    valid
        .payment_id
        .clone()
        .map_or_else(made_up, Ok)
        .map_err(|_| Stopped)
}

fn payment(
    payment_id: &PaymentId,
    transaction_id: Option<TransactionId>,
    amount: Money,
    payment_method: Option<String>,
    timestamp: chrono::DateTime<chrono::Utc>,
) -> PaymentInfo {
    PaymentInfo {
        payment_id: payment_id.clone(),
        transaction_id,
        amount: amount.decimal(),
        payment_method,
        status: PaymentStatus::Pending,
        timestamp,
        dispute: None,
    }
}
