//! Changes of the quantities of an order before its dispatch.
//!
//! More units are reserved before the order has them. Fewer units are released after the order has
//! given them up, and captured money above the new total is refunded. The next step of the order
//! waits for a change that is in progress. During shipping a change becomes a recall.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use temporalio_workflow::WorkflowContext;

use super::{
    OrderWorkflow, Review, current_time,
    decisions::Decision,
    earlier_runs,
    payments::PaymentPhase,
    persistence,
    request_name::UPDATE_ITEMS,
    requests::{
        DeferredRequest, await_recall, defer, origin_of, refuse_malformed, wait_for_decision,
        wait_for_order,
    },
    waiting,
};
use crate::{
    Message,
    activity::{ChangeReservationInput, ChangeReservationOutcome, OrderActivities},
};
use contract::{RefusalCode, RequestOrigin, UpdateOutcome};
use domain::{AuditEventType, ItemQuantity, ItemsChange, LineItem, Order, ReviewMode};

type Context = WorkflowContext<OrderWorkflow>;

/// The decision about new quantities.
enum ItemsDecision {
    Decided(Decision),
    /// The order becomes this one after its reservation has changed.
    Change {
        order: Box<Order>,
        needs_more: bool,
    },
}

/// Changes the quantities, or reports why the order keeps them.
pub(super) async fn update_items(ctx: &Context, message: Message<ItemsChange>) -> UpdateOutcome {
    update_items_from(ctx, message, origin_of(ctx)).await
}

pub(super) async fn update_items_from(
    ctx: &Context,
    message: Message<ItemsChange>,
    origin: RequestOrigin,
) -> UpdateOutcome {
    let change = match message {
        Message::Valid(change) => change,
        Message::Malformed(reason) => return refuse_malformed(ctx, UPDATE_ITEMS, reason),
    };
    if !wait_for_order(ctx).await {
        return defer(ctx, DeferredRequest::Items(change), origin);
    }
    earlier_runs::learn_effects(ctx, "items").await;
    wait_for_decision(ctx, OrderWorkflow::can_decide_items).await;
    let now = current_time(ctx);
    let decide = |order: &mut OrderWorkflow| order.decide_items_change(&change, now);
    match ctx.state_mut(|order| order.caused_by(Some(origin.clone()), decide)) {
        ItemsDecision::Decided(Decision::Immediate(outcome)) => outcome,
        ItemsDecision::Decided(Decision::AfterRecall {
            recall_number,
            already,
        }) => await_recall(ctx, recall_number, already, (UPDATE_ITEMS, origin)).await,
        ItemsDecision::Change { order, needs_more } => {
            ctx.state_mut(|order| order.is_changing_items = true);
            let outcome = if needs_more {
                reserve_and_change(ctx, *order, origin).await
            } else {
                let replace = |state: &mut OrderWorkflow| state.replace_items(*order, now);
                ctx.state_mut(|state| state.caused_by(Some(origin), replace));
                release_removed(ctx).await;
                ctx.state(|order| order.items_success(false))
            };
            ctx.state_mut(|order| order.is_changing_items = false);
            outcome
        }
    }
}

/// Waits until no request changes the quantities.
pub(super) async fn await_change(ctx: &Context) {
    if ctx.state(|order| order.is_changing_items) {
        let is_changed = |order: &OrderWorkflow| !order.is_changing_items;
        // A wait that is detached from cancellation cannot fail.
        let _ = ctx
            .wait_condition_with_options(is_changed, waiting::detached_wait())
            .await;
    }
}

/// Releases the units that the order has given up.
pub(super) async fn release_removed(ctx: &Context) {
    if !ctx.state_mut(|order| std::mem::take(&mut order.has_removed_items)) {
        return;
    }
    let lines = ctx.state(OrderWorkflow::lines);
    change_reservation(ctx, lines).await;
    ctx.state_mut(OrderWorkflow::request_refund);
}

/// Reserves more units, and then changes the order.
async fn reserve_and_change(ctx: &Context, changed: Order, origin: RequestOrigin) -> UpdateOutcome {
    let reserved = change_reservation(ctx, changed.lines.clone()).await;
    let now = current_time(ctx);
    let change = |order: &mut OrderWorkflow| match reserved {
        ChangeReservationOutcome::Changed if !order.is_stopped() => {
            order.replace_items(changed, now);
            order.has_removed_items = false;
            order.items_success(false)
        }
        ChangeReservationOutcome::Short { sku, available } => {
            let detail = format!("{sku} has {available} more units only");
            order.refuse_request(UPDATE_ITEMS, RefusalCode::InsufficientStock, &detail, now)
        }
        // The compensation releases what is reserved.
        ChangeReservationOutcome::Changed
        | ChangeReservationOutcome::Released
        | ChangeReservationOutcome::Superseded => {
            let detail = "the order is cancelled or has failed";
            order.refuse_request(UPDATE_ITEMS, RefusalCode::OrderClosed, detail, now)
        }
    };
    ctx.state_mut(|order| order.caused_by(Some(origin), change))
}

/// Changes the reservation to `lines`, however many other writes of the order come in between.
pub(super) async fn change_reservation(
    ctx: &Context,
    lines: Vec<LineItem>,
) -> ChangeReservationOutcome {
    loop {
        let changed = persistence::run_local(ctx, OrderActivities::change_reservation, |write| {
            ChangeReservationInput {
                write,
                lines: lines.clone(),
            }
        });
        let changed = changed.await;
        if changed != ChangeReservationOutcome::Superseded {
            return changed;
        }
    }
}

impl OrderWorkflow {
    fn lines(&self) -> Vec<LineItem> {
        let order = self.state.order.as_ref();
        order.map(|order| order.lines.clone()).unwrap_or_default()
    }

    /// Returns whether new quantities can be decided: the stock is reserved, and no payment and no
    /// other change is in progress.
    fn can_decide_items(&self) -> bool {
        if self.is_stopped() || self.is_dispatched() || self.shipping.is_some() {
            return true;
        }
        if self.has_released_stock() {
            return true;
        }
        let is_charging = self.payments.phase == PaymentPhase::Charging;
        self.is_reserved
            && !is_charging
            && !self.is_changing_items
            && self.payments.accepted.is_empty()
    }

    fn decide_items_change(&mut self, change: &ItemsChange, now: DateTime<Utc>) -> ItemsDecision {
        let recall = self
            .shipping
            .as_ref()
            .and_then(|shipping| shipping.recall.as_ref());
        let pending = recall
            .map(|recall| recall.items.clone())
            .unwrap_or_default();
        // A later change builds on a change that has no decision yet.
        let wanted = merged(pending.clone(), &change.items);
        let checked = self.check_items_change(change, &pending, &wanted);
        let (changed, needs_more) = match checked {
            Ok(checked) => checked,
            Err((code, detail)) => {
                let refusal = self.refuse_request(UPDATE_ITEMS, code, &detail, now);
                return ItemsDecision::Decided(Decision::Immediate(refusal));
            }
        };
        let is_same = pending.is_empty() && changed.lines == self.lines();
        if is_same {
            return ItemsDecision::Decided(Decision::Immediate(self.items_success(true)));
        }
        let Some(shipping) = &mut self.shipping else {
            return ItemsDecision::Change {
                order: Box::new(changed),
                needs_more,
            };
        };
        let recall = shipping.recall.get_or_insert_default();
        recall.items = wanted;
        recall.origins.items = self.origin.clone();
        let payload = json!({"items": change.items});
        self.append_audit_event(AuditEventType::ItemsRequested, payload, now);
        ItemsDecision::Decided(Decision::AfterRecall {
            recall_number: self.recalls_decided,
            already: false,
        })
    }

    /// Returns the order with the wanted quantities, and whether it needs more units of a SKU.
    ///
    /// # Errors
    ///
    /// The code and the reason of the refusal.
    fn check_items_change(
        &self,
        change: &ItemsChange,
        pending: &[ItemQuantity],
        wanted: &[ItemQuantity],
    ) -> Result<(Order, bool), (RefusalCode, String)> {
        let refused = |code, detail: &str| Err((code, detail.to_owned()));
        if self.is_stopped() {
            return refused(
                RefusalCode::OrderClosed,
                "the order is cancelled or has failed",
            );
        }
        if self.is_dispatched() {
            return refused(
                RefusalCode::AlreadyShipped,
                "the parcel was already dispatched",
            );
        }
        if self.is_stop_requested() {
            let detail = "the order is being cancelled or has passed its deadline";
            return refused(RefusalCode::OrderClosed, detail);
        }
        if self.has_released_stock() {
            let detail = "the order was not paid in time and holds no stock; pay or cancel it";
            return refused(RefusalCode::ItemsNotChangeable, detail);
        }
        if !self.can_decide_items() {
            let detail = "a payment or another change of the order is in progress; try again later";
            return refused(RefusalCode::PaymentInProgress, detail);
        }
        let Some(order) = &self.state.order else {
            return refused(RefusalCode::OrderClosed, "the order was not validated");
        };
        // The refund can have been for the units that the change removes.
        if self.payments.is_refunded_in_part() {
            let detail = "a part of the order was refunded; refund the other items instead";
            return refused(RefusalCode::ItemsNotChangeable, detail);
        }
        let changed_to = |items: &[ItemQuantity]| {
            let changed = order.with_quantities(items);
            changed.map_err(|error| (RefusalCode::ItemsNotChangeable, error.to_string()))
        };
        let present = changed_to(pending)?;
        let changed = changed_to(wanted)?;
        let is_more = |item: &ItemQuantity| u64::from(item.quantity) > present.units_of(&item.sku);
        let needs_more = change.items.iter().any(is_more);
        if needs_more && change.reduce_only {
            let detail = "a customer's key can only reduce quantities";
            return refused(RefusalCode::IncreaseNotAllowed, detail);
        }
        if needs_more && self.has_payment_begun(order) {
            let detail =
                "the payment of the order has begun, so its quantities can only be reduced";
            return refused(RefusalCode::IncreaseNotAllowed, detail);
        }
        let needs_review = self.policy.review_mode_for(&changed) != ReviewMode::None;
        if needs_more && needs_review && self.review != Review::Open {
            let detail =
                "the new total needs a review, which the order has passed; create another order";
            return refused(RefusalCode::IncreaseNotAllowed, detail);
        }
        Ok((changed, needs_more))
    }

    fn has_payment_begun(&self, order: &Order) -> bool {
        self.shipping.is_some()
            || self.payments.phase == PaymentPhase::Covered
            || self.payments.unfinished().is_some()
            || self.missing_money(order) < order.total.minor()
    }

    /// Gives the order other quantities. The address and the notes can have changed since `changed` was
    /// made.
    fn replace_items(&mut self, changed: Order, now: DateTime<Utc>) {
        let Some(order) = &mut self.state.order else {
            return;
        };
        let payload = difference(order, &changed);
        order.lines = changed.lines;
        order.charges = changed.charges;
        order.total = changed.total;
        self.has_removed_items = true;
        self.append_audit_event(AuditEventType::ItemsUpdated, payload, now);
    }

    /// Reduces quantities after a recall. They were checked when the recall began.
    pub(super) fn reduce_items(&mut self, items: &[ItemQuantity], now: DateTime<Utc>) {
        let order = self.state.order.as_ref();
        let order = order.filter(|_| !self.payments.is_refunded_in_part());
        if let Some(changed) = order.and_then(|order| order.with_quantities(items).ok()) {
            self.replace_items(changed, now);
        }
    }
}

/// Returns the items with the quantities of `later`.
fn merged(mut items: Vec<ItemQuantity>, later: &[ItemQuantity]) -> Vec<ItemQuantity> {
    items.retain(|item| later.iter().all(|other| other.sku != item.sku));
    items.extend(later.iter().cloned());
    items
}

/// Returns the changed quantities, and the total before and after, for the audit log.
fn difference(before: &Order, after: &Order) -> Value {
    let mut skus: Vec<_> = before.lines.iter().map(|line| &line.sku).collect();
    skus.sort_unstable();
    skus.dedup();
    let items: Vec<_> = skus
        .into_iter()
        .map(|sku| (sku, before.units_of(sku), after.units_of(sku)))
        .filter(|(_, old, new)| old != new)
        .map(|(sku, old, new)| json!({"sku": sku, "old": old, "new": new}))
        .collect();
    let total = json!({"old": before.total.decimal(), "new": after.total.decimal()});
    json!({"items": items, "total": total})
}
