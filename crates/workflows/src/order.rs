//! `OrderWorkflow`: one order, from receipt to its end.
//!
//! [`OrderWorkflow::run`] is the process, top to bottom. The steps are in the modules below; requests
//! from outside are in [`requests`], and [`wait`] is the one place where an order waits.

mod compensation;
mod decisions;
mod delivery;
mod intake;
mod inventory;
mod payment;
mod payment_events;
mod persistence;
mod requests;
mod review;
mod shipment;
mod waiting;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use crate::{
    Decode, Message, OrderInput, OrderOutcome, PaymentEventSignal, SHIPPING_TASK_QUEUE,
    UnmatchedPaymentSignal,
    activity::{PendingWrite, ReceiveOrderOutcome},
    clock,
};
use contract::{
    Approval, Cancellation, DeliveryConfirmation, DispatchFailure, OrderView, PaymentCancellation,
    PaymentConfirmation, RecordedOutcome, Rejection, Source, StatusView, UpdateOutcome,
    parse_order_workflow_id,
};
use domain::{
    Address, AddressChange, AuditEvent, AuditEventType, Failure, FailureCode, OrderId, OrderPolicy,
    OrderState, OrderStatus, Step, TransactionId, WebhookProvider,
};

/// The order was cancelled or has failed; what was done must be undone.
struct OrderStopped;

type Progress<T = ()> = Result<T, OrderStopped>;

/// What took hold and must be undone if the order stops, in the order it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compensation {
    ReleaseInventory,
    RefundPayment,
}

/// The answer that a caller waits for while the order finds it out.
#[derive(Debug, Clone, PartialEq)]
enum ConfirmationOutcome {
    Recorded,
    Refused(UpdateOutcome),
}

/// What is wanted while the parcel may be on its way out of the door. All of it waits for one word of the carrier.
#[derive(Debug, Default, Clone, PartialEq)]
struct Recall {
    /// The end of the order; it outweighs the rest.
    stop: Option<StopReason>,
    address: Option<Address>,
    /// The payment is given back, and another one will come.
    payment: bool,
}

/// Why an order is stopped while it ships.
#[derive(Debug, Clone, PartialEq)]
enum StopReason {
    Cancel {
        reason: Option<String>,
        by: &'static str,
    },
    Deadline,
}

/// The shipping phase: requests that contradict it wait for the carrier's word.
#[derive(Debug, Default)]
struct Shipping {
    /// Wanted, and not decided yet.
    recall: Option<Recall>,
}

/// Where the manual review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Review {
    Open,
    Approved,
    Rejected,
    /// There is none, or it is over without a person's decision.
    Over,
}

#[workflow]
pub struct OrderWorkflow {
    state: OrderState,
    /// Entries of the audit trail that no finished activity has written.
    unsaved_events: Vec<AuditEvent>,
    version: u32,
    policy: OrderPolicy,
    document: serde_json::Value,
    malformed: Option<String>,
    shipping_task_queue: String,
    compensations: Vec<Compensation>,
    review: Review,
    /// The confirmation that was accepted; its verdict comes when it is recorded.
    confirmation: Option<PaymentConfirmation>,
    confirmation_outcome: Option<ConfirmationOutcome>,
    /// Our own charge that waits for its customer; only this transaction's confirmation pays the order.
    unfinished_transaction: Option<TransactionId>,
    /// Transactions that paid the order and were cancelled: a repeat of one is no new payment.
    cancelled_payments: Vec<TransactionId>,
    /// Events of payment providers that were taken: each counts once.
    seen_event_ids: BTreeSet<(WebhookProvider, String)>,
    /// Money that it had no use for and that went back.
    settled_payments: BTreeSet<(WebhookProvider, Option<TransactionId>)>,
    /// A payment is waited for, and a provider may say that it will never come.
    payment_awaited: bool,
    payment_failed: Option<String>,
    shipping: Option<Shipping>,
    /// How many recalls were decided; how, the order's status tells.
    recalls_decided: u32,
    delivery: Option<DeliveryConfirmation>,
    published: Option<(OrderStatus, Step)>,
}

/// What `get_estimated_delivery` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimatedDelivery {
    pub order_id: OrderId,
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// `shipped`: counted from dispatch; `now`: from the order's last step, as it has not left.
    pub basis: String,
}

#[workflow_methods]
impl OrderWorkflow {
    #[init]
    fn new(view: &WorkflowContextView, input: Message<OrderInput>) -> Self {
        let now = clock::utc_from_workflow_time(view.start_time());
        let (input, malformed) = match input {
            Message::Valid(input) => (input, None),
            Message::Malformed(reason) => (OrderInput::default(), Some(reason)),
        };
        let order_id =
            parse_order_workflow_id(view.workflow_id()).unwrap_or_else(OrderId::placeholder);
        let mut order = Self {
            state: OrderState::new(order_id, now),
            unsaved_events: Vec::new(),
            version: 0,
            policy: input.policy(),
            shipping_task_queue: input
                .shipping_task_queue
                .unwrap_or_else(|| SHIPPING_TASK_QUEUE.to_owned()),
            document: input.order,
            malformed,
            compensations: Vec::new(),
            review: Review::Open,
            confirmation: None,
            confirmation_outcome: None,
            unfinished_transaction: None,
            cancelled_payments: Vec::new(),
            seen_event_ids: BTreeSet::new(),
            settled_payments: BTreeSet::new(),
            payment_awaited: false,
            payment_failed: None,
            shipping: None,
            recalls_decided: 0,
            delivery: None,
            published: None,
        };
        // Here, and not in the first step: a signal may come with the start, and goes first.
        order.append_audit_event(
            AuditEventType::OrderReceived,
            json!({"policy": order.policy}),
            now,
        );
        order
    }

    #[run(name = "OrderWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<OrderOutcome> {
        if intake::check_workflow_id(ctx) {
            waiting::run_with_deadline(ctx, process(ctx)).await;
        }
        finished(ctx).await;
        while ctx.state(|order| !order.unsaved_events.is_empty()) {
            persistence::write_pending(ctx).await;
            // What came while that was written: nobody hears of it if the run ends first.
            finished(ctx).await;
        }
        // Completed for every business end. Canceled only where Temporal's own cancel request ended the order.
        if ctx.cancellation_token().is_cancelled()
            && ctx.state(|order| order.state.status() == OrderStatus::Cancelled)
        {
            return Err(WorkflowTermination::cancelled());
        }
        Ok(ctx.state(Self::outcome))
    }

    #[signal(name = "approve_order")]
    pub fn approve_order_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Approval>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(approval) = self.accept_message("approve_order", message, now) {
            self.decide_approval(approval, now);
        }
    }

    #[signal(name = "reject_order")]
    pub fn reject_order_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Rejection>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(rejection) = self.accept_message("reject_order", message, now) {
            self.decide_rejection(rejection, now);
        }
    }

    #[signal(name = "cancel_order")]
    pub async fn cancel_order_signal(
        ctx: &mut WorkflowContext<Self>,
        message: Message<Cancellation>,
    ) {
        requests::cancel_order(ctx, message).await;
    }

    #[signal(name = "update_address")]
    pub async fn update_address_signal(
        ctx: &mut WorkflowContext<Self>,
        message: Message<AddressChange>,
    ) {
        requests::update_address(ctx, message).await;
    }

    #[signal(name = "cancel_payment")]
    pub async fn cancel_payment_signal(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentCancellation>,
    ) {
        requests::cancel_payment(ctx, message).await;
    }

    #[signal(name = "confirm_payment")]
    pub async fn confirm_payment_signal(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentConfirmation>,
    ) {
        requests::confirm_payment(ctx, message).await;
    }

    /// From the webhook function or a settlement: a payment provider's signed notification.
    #[signal(name = "payment_event")]
    pub async fn payment_event(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentEventSignal>,
    ) {
        payment_events::handle_payment_event(ctx, message).await;
    }

    /// From a settlement: what became of money that this order had no use for.
    #[signal(name = "stray_money")]
    pub fn stray_money_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<UnmatchedPaymentSignal>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(told) = self.accept_message("stray_money", message, now) {
            self.record_settled_payment(&told, now);
        }
    }

    #[signal(name = "confirm_delivery")]
    pub fn confirm_delivery_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<DeliveryConfirmation>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(confirmation) = self.accept_message("confirm_delivery", message, now) {
            self.decide_delivery_confirmation(confirmation, now);
        }
    }

    /// From the child: an attempt to ship has failed. The child's result decides; this tells the trail why.
    #[signal(name = "dispatch_failed")]
    pub fn dispatch_failed(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<DispatchFailure>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        let Some(failure) = self.accept_message("dispatch_failed", message, now) else {
            return;
        };
        if self.shipping.is_some() {
            self.state.count_retry(Step::Dispatch);
            self.append_audit_event(AuditEventType::DispatchFailed, json!(failure), now);
        } else {
            self.audit_refusal("dispatch_failed", "not_shipping", now);
        }
    }

    #[update_validator(approve_order)]
    fn validate_approve(
        &self,
        _: &WorkflowContextView,
        message: &Message<Approval>,
    ) -> Result<(), Malformed> {
        well_formed(message)
    }
    #[update(name = "approve_order")]
    pub fn approve_order(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Approval>,
    ) -> RecordedOutcome {
        self.answered(ctx, message, Self::decide_approval)
    }

    #[update_validator(reject_order)]
    fn validate_reject(
        &self,
        _: &WorkflowContextView,
        message: &Message<Rejection>,
    ) -> Result<(), Malformed> {
        well_formed(message)
    }
    #[update(name = "reject_order")]
    pub fn reject_order(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Rejection>,
    ) -> RecordedOutcome {
        self.answered(ctx, message, Self::decide_rejection)
    }

    #[update_validator(cancel_order)]
    fn validate_cancel(
        &self,
        _: &WorkflowContextView,
        message: &Message<Cancellation>,
    ) -> Result<(), Malformed> {
        well_formed(message)
    }
    #[update(name = "cancel_order")]
    pub async fn cancel_order(
        ctx: &mut WorkflowContext<Self>,
        message: Message<Cancellation>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        RecordedOutcome {
            outcome: requests::cancel_order(ctx, message).await,
            request,
        }
    }

    #[update_validator(update_address)]
    fn validate_address(
        &self,
        _: &WorkflowContextView,
        message: &Message<AddressChange>,
    ) -> Result<(), Malformed> {
        well_formed(message)
    }
    #[update(name = "update_address")]
    pub async fn update_address(
        ctx: &mut WorkflowContext<Self>,
        message: Message<AddressChange>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        RecordedOutcome {
            outcome: requests::update_address(ctx, message).await,
            request,
        }
    }

    #[update_validator(cancel_payment)]
    fn validate_cancel_payment(
        &self,
        _: &WorkflowContextView,
        message: &Message<PaymentCancellation>,
    ) -> Result<(), Malformed> {
        well_formed(message)
    }
    #[update(name = "cancel_payment")]
    pub async fn cancel_payment(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentCancellation>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        RecordedOutcome {
            outcome: requests::cancel_payment(ctx, message).await,
            request,
        }
    }

    #[update_validator(confirm_payment)]
    fn validate_payment(
        &self,
        _: &WorkflowContextView,
        message: &Message<PaymentConfirmation>,
    ) -> Result<(), Malformed> {
        well_formed(message)
    }
    #[update(name = "confirm_payment")]
    pub async fn confirm_payment(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentConfirmation>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        RecordedOutcome {
            outcome: requests::confirm_payment(ctx, message).await,
            request,
        }
    }

    #[update_validator(confirm_delivery)]
    fn validate_delivery(
        &self,
        _: &WorkflowContextView,
        message: &Message<DeliveryConfirmation>,
    ) -> Result<(), Malformed> {
        well_formed(message)
    }
    #[update(name = "confirm_delivery")]
    pub fn confirm_delivery(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<DeliveryConfirmation>,
    ) -> RecordedOutcome {
        self.answered(ctx, message, Self::decide_delivery_confirmation)
    }

    #[query(name = "get_full_state")]
    pub fn get_full_state(&self, _: &WorkflowContextView) -> OrderView {
        OrderView::from_state(&self.state, Source::Workflow)
    }

    #[query(name = "get_order_status")]
    pub fn get_order_status(&self, _: &WorkflowContextView) -> StatusView {
        OrderView::from_state(&self.state, Source::Workflow).status_view()
    }

    /// The same under the name that older callers know.
    #[query(name = "get_status")]
    pub fn get_status(&self, _: &WorkflowContextView) -> StatusView {
        OrderView::from_state(&self.state, Source::Workflow).status_view()
    }

    #[query(name = "get_estimated_delivery")]
    pub fn get_estimated_delivery(&self, _: &WorkflowContextView) -> EstimatedDelivery {
        let basis = if self.state.shipment.is_some() {
            "shipped"
        } else {
            "now"
        };
        EstimatedDelivery {
            order_id: self.state.order_id.clone(),
            estimated_delivery: self.state.estimated_delivery,
            basis: basis.to_owned(),
        }
    }
}

type Malformed = Box<dyn std::error::Error + Send + Sync>;

fn well_formed<T>(message: &Message<T>) -> Result<(), Malformed> {
    match message {
        Message::Valid(_) => Ok(()),
        Message::Malformed(reason) => Err(reason.clone().into()),
    }
}

async fn process(ctx: &WorkflowContext<OrderWorkflow>) {
    if intake::receive_order(ctx).await == ReceiveOrderOutcome::Fresh {
        if fulfil(ctx).await.is_err() {
            compensation::compensate_order(ctx).await;
        }
        persistence::write_final(ctx).await;
    }
}

/// The way forward. Each step returns early when the order was stopped on the way.
async fn fulfil(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    intake::validate_order(ctx).await?;
    inventory::reserve_inventory(ctx).await?;
    review::await_review(ctx).await?;
    payment::collect_payment(ctx).await?;
    let mut tally = shipment::AttemptCounter::default();
    while shipment::ship_order(ctx, &mut tally).await?
        == shipment::ShippingPhaseResult::PaymentCancelled
    {
        payment::replace_payment(ctx).await?;
    }
    delivery::await_delivery(ctx).await;
    Ok(())
}

/// A run must not end while a caller still waits for its answer.
async fn finished(ctx: &WorkflowContext<OrderWorkflow>) {
    let options = WaitConditionOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    let handlers = ctx.clone();
    // Detached from cancellation, this wait has no way to fail.
    let _ = ctx
        .wait_condition_with_options(move |_| handlers.all_handlers_finished(), options)
        .await;
}

impl OrderWorkflow {
    fn append_audit_event(
        &mut self,
        kind: AuditEventType,
        payload: serde_json::Value,
        now: DateTime<Utc>,
    ) {
        let event = self.state.append_audit_event(kind, payload, now);
        self.unsaved_events.push(event);
        if self.state.shipment.is_none() {
            self.state.estimated_delivery =
                (!self.is_stopped()).then(|| now + self.policy.delivery_estimate.duration());
        }
    }

    fn is_stopped(&self) -> bool {
        matches!(
            self.state.status(),
            OrderStatus::Cancelled | OrderStatus::Failed
        )
    }

    /// Decides that the order is cancelled. From here there is no way back.
    fn transition_to_cancelled(&mut self, reason: Option<String>, by: &str, now: DateTime<Utc>) {
        if self.state.transition_to(OrderStatus::Cancelled).is_ok() {
            self.state.enter_step(Step::Compensate);
            self.state.cancellation_reason = reason.clone().or_else(|| Some(by.to_owned()));
            self.append_audit_event(
                AuditEventType::OrderCancelled,
                json!({"reason": reason, "by": by}),
                now,
            );
        }
    }

    /// Decides that the order has failed.
    fn transition_to_failed(&mut self, code: FailureCode, detail: String, now: DateTime<Utc>) {
        if self.state.transition_to(OrderStatus::Failed).is_ok() {
            self.state.enter_step(Step::Compensate);
            self.append_audit_event(
                AuditEventType::OrderFailed,
                json!({"code": code, "detail": detail}),
                now,
            );
            self.state.failure = Some(Failure { code, detail });
        }
    }

    /// Goes on to a status that the state machine has from here.
    fn advance_to(&mut self, status: OrderStatus, step: Step) -> Progress {
        self.state.transition_to(status).map_err(|_| OrderStopped)?;
        self.state.enter_step(step);
        Ok(())
    }

    /// What is decided about a request that could be read.
    fn answered<T: Decode>(
        &mut self,
        ctx: &SyncWorkflowContext<Self>,
        message: Message<T>,
        decide: fn(&mut Self, T, DateTime<Utc>) -> UpdateOutcome,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        let answer = match message {
            Message::Valid(wanted) => decide(
                self,
                wanted,
                clock::utc_from_workflow_time(ctx.workflow_time()),
            ),
            Message::Malformed(reason) => self.malformed_refusal(reason),
        };
        RecordedOutcome {
            outcome: answer,
            request,
        }
    }

    /// The version goes up with the history: what a task wrote that was lost before Temporal heard of it is older
    /// than anything that the task in its place writes, however much that was.
    fn prepare_write(&mut self, history_length: u32) -> PendingWrite {
        self.version = (self.version + 1).max(history_length.saturating_mul(1_024));
        PendingWrite {
            record: self.state.clone(),
            version: self.version,
            events: self.unsaved_events.clone(),
        }
    }

    fn outcome(&self) -> OrderOutcome {
        OrderOutcome {
            order_id: self.state.order_id.clone(),
            status: self.state.status(),
            cancellation_reason: self.state.cancellation_reason.clone(),
            failure: self.state.failure.clone(),
            shipment: self.state.shipment.clone(),
        }
    }
}

fn current_time(ctx: &WorkflowContext<OrderWorkflow>) -> DateTime<Utc> {
    clock::utc_from_workflow_time(ctx.workflow_time())
}
