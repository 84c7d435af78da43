//! [`OrderWorkflow`]: one order, from its receipt to its end.
//!
//! [`OrderWorkflow::run`] is the process, from top to bottom; `fulfil_order` lists its steps. Each
//! step has its module below. Requests take another path:
//!
//! 1. The signal and update handlers in this file pass a request on.
//! 2. `decisions` decides it, with one method for each request. **A cancel is decided in
//!    `decide_cancel`.** A cancel while the order ships becomes a *recall*: `shipment` asks the
//!    child workflow, and if necessary the carrier, whether the parcel can still be stopped.
//! 3. `requests` waits for the outcome of a recall or of a payment and returns it to the caller.
//!
//! `waiting` is the only module in which an order waits for time or for a request. `persistence`
//! writes each decision into the database.

mod answers;
mod charge;
mod compensation;
mod continuation;
mod decisions;
mod delivery;
mod earlier_runs;
mod event_queue;
mod hold;
mod intake;
mod inventory;
mod items;
mod outcomes;
mod payment;
mod payment_events;
mod payment_record;
mod payments;
mod persistence;
mod recall;
mod recovery;
mod refund;
mod refund_notices;
mod request_name;
mod request_rate;
mod requests;
mod review;
mod shipment;
mod tracking;
mod transitions;
mod validation;
mod waiting;

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, WorkflowTermination, select,
};

use self::{
    answers::Answers, continuation::WaitingPlace, earlier_runs::EarlierRuns,
    event_queue::EventQueue, payments::Payments, recall::Shipping, request_rate::RequestRate,
    requests::DeferredRequest, shipment::AttemptCounter,
};
use crate::{
    Decode, Message, OrderInput, OrderOutcome, PaymentEventSignal, RefundNotice,
    SHIPPING_TASK_QUEUE, TrackingSignal, UnmatchedPaymentSignal, clock,
    request_quota::ReceivedUpdate,
};
use contract::{
    Approval, Cancellation, DeliveryConfirmation, DispatchFailure, HoldRequest, OrderView,
    PaymentCancellation, PaymentConfirmation, RecordedOutcome, Rejection, Release, RequestOrigin,
    Source, StatusView, TrackingReport, UpdateOutcome, parse_order_workflow_id,
};
use domain::{
    AddressChange, AuditEvent, AuditEventType, ItemsChange, NotesChange, OrderId, OrderPolicy,
    OrderState, OrderStatus, Step, Transaction, TransactionId, WebhookProvider,
};

/// The order was cancelled or failed; its effects must be compensated.
struct OrderStopped;

type Progress<T = ()> = Result<T, OrderStopped>;

/// A compensation that runs if the order stops. Compensations are stored in the order of their
/// effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Compensation {
    ReleaseInventory,
    RefundPayment,
    /// Cancels the prepared shipment of this parcel number.
    DiscardShipment {
        number: u32,
    },
}

/// The status of the manual review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Review {
    Open,
    Approved,
    Rejected,
    /// The order needs no review, or the review ended without a reviewer's decision.
    Over,
}

/// The state of an order. All of it is carried over when the order continues as new.
#[workflow]
#[derive(Serialize, Deserialize)]
pub struct OrderWorkflow {
    state: OrderState,
    /// The first run of the order, which is its identity in the database. A reset keeps it.
    chain_id: String,
    /// The audit events of this run, and newer ones of earlier runs. A restored database may lack
    /// some that were written.
    events: Vec<AuditEvent>,
    /// The number of the last audit event that a completed activity has written.
    saved_seq: u32,
    /// Whether the order has reserved its stock and neither shipped nor released it.
    is_reserved: bool,
    version: u32,
    policy: OrderPolicy,
    document: serde_json::Value,
    malformed: Option<String>,
    /// The version of the rules ([`OrderInput::receipt`]).
    receipt: u32,
    shipping_task_queue: String,
    compensations: Vec<Compensation>,
    review: Review,
    payments: Payments,
    /// The ids of the processed payment events. Each event is processed once.
    seen_event_ids: BTreeSet<(WebhookProvider, String)>,
    /// Payments that the order could not use and that a settlement handled.
    settled_payments: BTreeSet<(WebhookProvider, Option<TransactionId>)>,
    shipping: Option<Shipping>,
    /// The number of decided recalls. The order's status shows the outcome.
    recalls_decided: u32,
    delivery: Option<DeliveryConfirmation>,
    /// The origin of `delivery`.
    #[serde(default)]
    delivery_origin: Option<RequestOrigin>,
    published: Option<(OrderStatus, Step)>,
    earlier_runs: EarlierRuns,
    /// Whether this run ends an order whose workflow was lost.
    is_recovery: bool,
    payment_events: EventQueue,
    answers: Answers,
    request_rate: RequestRate,
    /// Requests that arrived before the order was loaded and whose callers wait no longer.
    deferred: VecDeque<DeferredRequest>,
    /// The origins of `deferred`. Orders of earlier releases have none.
    #[serde(default)]
    deferred_origins: VecDeque<RequestOrigin>,
    attempts: AttemptCounter,
    /// The end of a hold.
    hold_until: Option<DateTime<Utc>>,
    /// Whether a request changes the quantities. The next step waits for it.
    #[serde(skip)]
    is_changing_items: bool,
    /// Whether the order holds units that it does not need any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_removed_items: bool,
    /// Reports of the carrier that arrived before the order knew of the dispatch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    early_reports: Vec<TrackingReport>,
    /// The number of the parcel that the carrier has. `None` also for orders of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dispatched_parcel: Option<u32>,
    /// The place at which this run continues as new.
    continues_at: Option<WaitingPlace>,
    /// The place at which this run resumes the run before.
    #[serde(skip)]
    resumes_at: Option<WaitingPlace>,
    /// Whether the order waits at a place at which it can continue as new.
    #[serde(skip)]
    is_waiting: bool,
    /// The reason why the state of the run before cannot be read.
    #[serde(skip)]
    unreadable: Option<String>,
    /// The origin of the request that is being decided.
    #[serde(skip)]
    origin: Option<RequestOrigin>,
}

/// The result of the query `get_estimated_delivery`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimatedDelivery {
    pub order_id: OrderId,
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// `shipped`: the estimate starts at dispatch. `now`: the order has not shipped, and the
    /// estimate starts at its last audit event.
    pub basis: String,
}

#[workflow_methods]
impl OrderWorkflow {
    #[init]
    fn new(view: &WorkflowContextView, input: Message<OrderInput>) -> Self {
        let now = clock::utc_from_workflow_time(view.start_time());
        let (mut input, malformed) = match input {
            Message::Valid(input) => (input, None),
            Message::Malformed(reason) => (OrderInput::default(), Some(reason)),
        };
        let recovery = input.recovery.clone();
        let unreadable = match input
            .continued
            .take()
            .map(|state| continuation::restore(state, view))
        {
            Some(Ok(order)) => return order,
            Some(Err(reason)) => Some(reason),
            None => None,
        };
        let order_id =
            parse_order_workflow_id(view.workflow_id()).unwrap_or_else(OrderId::placeholder);
        let mut order = Self {
            state: OrderState::new(order_id, now),
            chain_id: view.first_execution_run_id().to_owned(),
            events: Vec::new(),
            saved_seq: 0,
            is_reserved: false,
            version: 0,
            policy: input.policy(),
            shipping_task_queue: input
                .shipping_task_queue
                .unwrap_or_else(|| SHIPPING_TASK_QUEUE.to_owned()),
            document: input.order,
            receipt: input.receipt,
            malformed,
            compensations: Vec::new(),
            review: Review::Open,
            payments: Payments::with_rules(input.receipt),
            seen_event_ids: BTreeSet::new(),
            settled_payments: BTreeSet::new(),
            shipping: None,
            recalls_decided: 0,
            delivery: None,
            delivery_origin: None,
            published: None,
            earlier_runs: EarlierRuns::at_start(view, EarlierRuns::None),
            is_recovery: false,
            payment_events: EventQueue::default(),
            answers: Answers::default(),
            request_rate: RequestRate::default(),
            deferred: VecDeque::new(),
            deferred_origins: VecDeque::new(),
            attempts: AttemptCounter::default(),
            hold_until: None,
            is_changing_items: false,
            has_removed_items: false,
            early_reports: Vec::new(),
            dispatched_parcel: None,
            continues_at: None,
            resumes_at: None,
            is_waiting: false,
            unreadable,
            origin: None,
        };
        if let Some(recovery) = recovery {
            order.restore(*recovery, now);
            return order;
        }
        // A signal may arrive with the start and is handled before the first step. Its audit event
        // must come after this one.
        let mut payload = json!({"policy": order.policy});
        if let Some(quote) = contract::quote_of(&order.document) {
            payload["quote"] = json!({"jti": quote.id, "kid": quote.key_id});
        }
        order.caused_by(input.origin, |order| {
            order.append_audit_event(AuditEventType::OrderReceived, payload, now);
        });
        order
    }

    #[run(name = "OrderWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<OrderOutcome> {
        continuation::require_readable(ctx).await;
        let is_continued = {
            let ctx = &*ctx;
            let mut order = std::pin::pin!(complete_order(ctx).fuse());
            let mut continued = std::pin::pin!(continuation::requested(ctx).fuse());
            let mut events = std::pin::pin!(event_queue::process_events(ctx).fuse());
            let mut refunds = std::pin::pin!(event_queue::refund_unneeded_money(ctx).fuse());
            let mut deferred = std::pin::pin!(requests::decide_deferred(ctx).fuse());
            select! {
                () = order => false,
                () = continued => true,
                never = events => match never {},
                never = refunds => match never {},
                never = deferred => match never {},
            }
        };
        if is_continued {
            return continuation::continue_as_new(ctx);
        }
        // The run completes normally for each business outcome. It is `Canceled` only when
        // Temporal's own cancel request ended the order.
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
        if let Some(approval) = self.accept_message(request_name::APPROVE_ORDER, message, now) {
            self.caused_by(Some(RequestOrigin::temporal()), |order| {
                order.decide_approval(approval, now)
            });
        }
    }

    #[signal(name = "reject_order")]
    pub fn reject_order_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Rejection>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(rejection) = self.accept_message(request_name::REJECT_ORDER, message, now) {
            self.caused_by(Some(RequestOrigin::temporal()), |order| {
                order.decide_rejection(rejection, now)
            });
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

    #[signal(name = "hold_order")]
    pub async fn hold_order_signal(ctx: &mut WorkflowContext<Self>, message: Message<HoldRequest>) {
        requests::hold_order(ctx, message).await;
    }

    #[signal(name = "release_order")]
    pub fn release_order_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Release>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(release) = self.accept_message(request_name::RELEASE_ORDER, message, now) {
            self.caused_by(Some(RequestOrigin::temporal()), |order| {
                order.decide_release(release, now)
            });
        }
    }

    #[signal(name = "update_items")]
    pub async fn update_items_signal(
        ctx: &mut WorkflowContext<Self>,
        message: Message<ItemsChange>,
    ) {
        items::update_items(ctx, message).await;
    }

    #[signal(name = "update_order")]
    pub async fn update_order_signal(
        ctx: &mut WorkflowContext<Self>,
        message: Message<NotesChange>,
    ) {
        requests::update_order(ctx, message).await;
    }

    #[signal(name = "confirm_payment")]
    pub async fn confirm_payment_signal(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentConfirmation>,
    ) {
        requests::confirm_payment(ctx, message).await;
    }

    /// Receives a payment event from the webhook function or from a settlement.
    #[signal(name = "payment_event")]
    pub async fn payment_event(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentEventSignal>,
    ) {
        payment_events::handle_payment_event(ctx, message).await;
    }

    /// Receives the outcome of a payment that this order could not use from a settlement.
    #[signal(name = "stray_money")]
    pub fn unmatched_payment_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<UnmatchedPaymentSignal>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(settled) = self.accept_message(request_name::UNMATCHED_PAYMENT, message, now) {
            self.record_settled_payment(&settled, now);
        }
    }

    /// Receives an audit event of a refund that the shop makes.
    #[signal(name = "refund_changed")]
    pub fn refund_changed(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<RefundNotice>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(notice) = self.accept_message(request_name::REFUND_CHANGED, message, now) {
            self.note_refund(notice, now);
        }
    }

    #[signal(name = "confirm_delivery")]
    pub fn confirm_delivery_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<DeliveryConfirmation>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(confirmation) =
            self.accept_message(request_name::CONFIRM_DELIVERY, message, now)
        {
            self.caused_by(Some(RequestOrigin::temporal()), |order| {
                order.decide_delivery_confirmation(confirmation, now)
            });
        }
    }

    /// Receives a report of the carrier from the webhook function.
    #[signal(name = "tracking_report")]
    pub fn tracking_report(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<TrackingSignal>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        if let Some(signal) = self.accept_message(request_name::TRACKING_REPORT, message, now) {
            self.record_report(signal.report, now);
        }
    }

    /// Receives the reason of a failed attempt from the child workflow, for the audit log. The
    /// child's result makes the decision.
    #[signal(name = "dispatch_failed")]
    pub fn dispatch_failed(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<DispatchFailure>,
    ) {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        let Some(failure) = self.accept_message(request_name::DISPATCH_FAILED, message, now) else {
            return;
        };
        if self.shipping.is_some() {
            self.state.count_retry(Step::Dispatch);
            self.append_audit_event(AuditEventType::DispatchFailed, json!(failure), now);
        } else {
            self.audit_refusal(request_name::DISPATCH_FAILED, "not_shipping", now);
        }
    }

    #[update_validator(approve_order)]
    fn validate_approval(
        &self,
        view: &WorkflowContextView,
        message: &Message<Approval>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "approve_order")]
    pub fn approve_order(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Approval>,
    ) -> RecordedOutcome {
        self.decide_update(ctx, message, Self::decide_approval)
    }

    #[update_validator(reject_order)]
    fn validate_rejection(
        &self,
        view: &WorkflowContextView,
        message: &Message<Rejection>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "reject_order")]
    pub fn reject_order(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Rejection>,
    ) -> RecordedOutcome {
        self.decide_update(ctx, message, Self::decide_rejection)
    }

    #[update_validator(cancel_order)]
    fn validate_cancel(
        &self,
        view: &WorkflowContextView,
        message: &Message<Cancellation>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "cancel_order")]
    pub async fn cancel_order(
        ctx: &mut WorkflowContext<Self>,
        message: Message<Cancellation>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        answers::answer(ctx, request, requests::cancel_order(ctx, message)).await
    }

    #[update_validator(update_address)]
    fn validate_address(
        &self,
        view: &WorkflowContextView,
        message: &Message<AddressChange>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "update_address")]
    pub async fn update_address(
        ctx: &mut WorkflowContext<Self>,
        message: Message<AddressChange>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        answers::answer(ctx, request, requests::update_address(ctx, message)).await
    }

    #[update_validator(cancel_payment)]
    fn validate_cancel_payment(
        &self,
        view: &WorkflowContextView,
        message: &Message<PaymentCancellation>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "cancel_payment")]
    pub async fn cancel_payment(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentCancellation>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        answers::answer(ctx, request, requests::cancel_payment(ctx, message)).await
    }

    #[update_validator(hold_order)]
    fn validate_hold(
        &self,
        view: &WorkflowContextView,
        message: &Message<HoldRequest>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "hold_order")]
    pub async fn hold_order(
        ctx: &mut WorkflowContext<Self>,
        message: Message<HoldRequest>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        answers::answer(ctx, request, requests::hold_order(ctx, message)).await
    }

    #[update_validator(release_order)]
    fn validate_release(
        &self,
        view: &WorkflowContextView,
        message: &Message<Release>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "release_order")]
    pub fn release_order(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<Release>,
    ) -> RecordedOutcome {
        self.decide_update(ctx, message, Self::decide_release)
    }

    #[update_validator(update_items)]
    fn validate_items(
        &self,
        view: &WorkflowContextView,
        message: &Message<ItemsChange>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "update_items")]
    pub async fn update_items(
        ctx: &mut WorkflowContext<Self>,
        message: Message<ItemsChange>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        answers::answer(ctx, request, items::update_items(ctx, message)).await
    }

    #[update_validator(update_order)]
    fn validate_update(
        &self,
        view: &WorkflowContextView,
        message: &Message<NotesChange>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "update_order")]
    pub async fn update_order(
        ctx: &mut WorkflowContext<Self>,
        message: Message<NotesChange>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        answers::answer(ctx, request, requests::update_order(ctx, message)).await
    }

    #[update_validator(confirm_payment)]
    fn validate_confirmation(
        &self,
        view: &WorkflowContextView,
        message: &Message<PaymentConfirmation>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "confirm_payment")]
    pub async fn confirm_payment(
        ctx: &mut WorkflowContext<Self>,
        message: Message<PaymentConfirmation>,
    ) -> RecordedOutcome {
        let request = message.fingerprint();
        answers::answer(ctx, request, requests::confirm_payment(ctx, message)).await
    }

    #[update_validator(confirm_delivery)]
    fn validate_delivery(
        &self,
        view: &WorkflowContextView,
        message: &Message<DeliveryConfirmation>,
    ) -> Result<(), RefusedUpdate> {
        self.check_update(view, message)
    }
    #[update(name = "confirm_delivery")]
    pub fn confirm_delivery(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        message: Message<DeliveryConfirmation>,
    ) -> RecordedOutcome {
        self.decide_update(ctx, message, Self::decide_delivery_confirmation)
    }

    #[query(name = "get_full_state")]
    pub fn get_full_state(&self, _: &WorkflowContextView) -> OrderView {
        OrderView::from_state(&validation::with_document(self), Source::Workflow)
    }

    #[query(name = "get_order_status")]
    pub fn get_order_status(&self, _: &WorkflowContextView) -> StatusView {
        OrderView::from_state(&self.state, Source::Workflow).status_view()
    }

    /// Returns the transactions of the order, as the ledger had them.
    #[query(name = "get_payments")]
    pub fn get_payments(&self, _: &WorkflowContextView) -> Vec<Transaction> {
        self.payments.transactions().to_vec()
    }

    /// The name of `get_order_status` that older callers use.
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

type RefusedUpdate = Box<dyn std::error::Error + Send + Sync>;

/// Runs the order to its end, and returns when the database has all its audit events.
async fn complete_order(ctx: &WorkflowContext<OrderWorkflow>) {
    if ctx.state(|order| order.is_recovery && order.resumes_at.is_none()) {
        Box::pin(recovery::end_order(ctx)).await;
    } else if intake::check_workflow_id(ctx) {
        waiting::run_with_deadline(ctx, Box::pin(run_order(ctx))).await;
    }
    wait_for_handlers(ctx).await;
    while ctx.state(OrderWorkflow::has_unsaved_events) {
        persistence::write_pending(ctx).await;
        // A request may arrive during the write. Its audit event would be lost if the run ended
        // first.
        wait_for_handlers(ctx).await;
    }
}

async fn run_order(ctx: &WorkflowContext<OrderWorkflow>) {
    let resumed = ctx.state(|order| order.resumes_at);
    let fulfilled = match resumed {
        Some(place) => resume_order(ctx, place).await,
        None => {
            let Some(accepted) = intake::accept_order(ctx).await else {
                return;
            };
            match accepted {
                Ok(()) => fulfil_order(ctx).await,
                Err(stopped) => Err(stopped),
            }
        }
    };
    if fulfilled.is_err() {
        compensation::compensate_order(ctx).await;
    }
    persistence::write_final(ctx).await;
}

/// Runs the steps of an accepted order. Each step returns early when the order is stopped.
async fn fulfil_order(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    earlier_runs::learn_effects(ctx, "review").await;
    review::await_review(ctx).await?;
    earlier_runs::learn_effects(ctx, "payment").await;
    payment::collect_payment(ctx).await?;
    earlier_runs::learn_effects(ctx, "shipment").await;
    ship_and_deliver(ctx).await
}

/// Runs the steps from the place at which the run before continued as new.
async fn resume_order(ctx: &WorkflowContext<OrderWorkflow>, place: WaitingPlace) -> Progress {
    match place {
        WaitingPlace::Review => return fulfil_order(ctx).await,
        WaitingPlace::PaymentDelay => payment::collect_payment(ctx).await?,
        WaitingPlace::HeldPayment => payment::pay_order(ctx).await?,
        WaitingPlace::Payment => payment::resume_payment(ctx).await?,
        WaitingPlace::Hold | WaitingPlace::HeldShipping | WaitingPlace::Shipping => {}
        WaitingPlace::Delivery => {
            delivery::await_delivery(ctx).await;
            return Ok(());
        }
    }
    ship_and_deliver(ctx).await
}

async fn ship_and_deliver(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    loop {
        let resumes = ctx.state(|order| order.resumes_at == Some(WaitingPlace::Shipping));
        if !resumes && hold::await_release(ctx).await? {
            payment::replace_payment(ctx).await?;
            continue;
        }
        if !resumes && hold::await_operator(ctx, WaitingPlace::HeldShipping).await? {
            continue;
        }
        items::await_change(ctx).await;
        match shipment::ship_order(ctx).await? {
            shipment::ShippingPhaseResult::Dispatched => break,
            shipment::ShippingPhaseResult::PaymentCancelled => {
                payment::replace_payment(ctx).await?;
            }
            shipment::ShippingPhaseResult::Held => {}
        }
    }
    charge::capture_payments(ctx).await;
    delivery::await_delivery(ctx).await;
    Ok(())
}

/// Waits for all handlers: a run must not end while a caller waits for its outcome.
async fn wait_for_handlers(ctx: &WorkflowContext<OrderWorkflow>) {
    let options = WaitConditionOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    let handlers = ctx.clone();
    let finished = move |order: &OrderWorkflow| {
        let is_decided = order.deferred.is_empty() && order.payment_events.is_empty();
        is_decided && handlers.all_handlers_finished()
    };
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx.wait_condition_with_options(finished, options).await;
}

impl OrderWorkflow {
    /// Returns whether the order's history is bounded, which holds for orders of this release.
    fn is_bounded(&self) -> bool {
        self.receipt >= 5
    }

    /// Refuses an update that is malformed, beyond its quota, or for another state of the order. It
    /// then leaves no history.
    fn check_update<T>(
        &self,
        view: &WorkflowContextView,
        message: &Message<T>,
    ) -> Result<(), RefusedUpdate> {
        if let Message::Malformed(reason) = message {
            return Err(reason.clone().into());
        }
        // A repeated request gets the outcome of the first one, whatever has changed since.
        let received = view.context_value::<ReceivedUpdate>();
        if let Some(received) = received.filter(|received| !self.answers.has(&received.id)) {
            let now = clock::utc_from_workflow_time(received.time);
            self.request_rate.check(&received.name, now)?;
            received.origin.check_state(self.state.last_seq())?;
        }
        Ok(())
    }

    /// Decides an update immediately and adds the fingerprint of the request.
    fn decide_update<T: Decode>(
        &mut self,
        ctx: &SyncWorkflowContext<Self>,
        message: Message<T>,
        decide: fn(&mut Self, T, DateTime<Utc>) -> UpdateOutcome,
    ) -> RecordedOutcome {
        let now = clock::utc_from_workflow_time(ctx.workflow_time());
        let received = ctx.context_value::<ReceivedUpdate>();
        let update_id = received.as_ref().map(|received| received.id.as_str());
        if let Some(known) = update_id.and_then(|id| self.answers.find(id)) {
            return known;
        }
        if let Some(received) = &received {
            self.request_rate.note(&received.name, now);
        }
        let request = message.fingerprint();
        let outcome = match message {
            Message::Valid(request_body) => {
                let origin = received.as_ref().map(|received| received.origin.clone());
                self.caused_by(origin, |order| decide(order, request_body, now))
            }
            Message::Malformed(reason) => self.malformed_refusal(reason),
        };
        let recorded = RecordedOutcome { outcome, request };
        self.answers.note(update_id, &recorded);
        recorded
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
