//! The function's Temporal client and its request handler.

use lambda_http::{Body, Request, Response};

use crate::{closed_order, refund, response, returns};
use domain::{ItemsChange, OrderId};
use order_client::{
    Error, OrderClient, OrderCommand, TemporalSettings, UpdateResult as Outcome, with_origin,
};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, ProblemCode,
    QueryParameters, SignalOperation, serve,
};
use settings::SettingError;

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    orders: OrderClient,
}

impl App {
    /// Returns the function; `orders` can be shared with other functions.
    pub fn new(orders: OrderClient) -> Self {
        Self { orders }
    }
}

impl Application for App {
    const SERVICE: &'static str = "orderflow-signal";
    const FUNCTION: Function = Function::Signal;

    fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(OrderClient::new(TemporalSettings::from_env()?)))
    }

    async fn warm_up(&self) {
        let _ = self.orders.check_health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Signal, request, async |request| {
            route(self, &request).await
        })
        .await
    }
}

async fn route(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    if request.operation == Operation::Refund {
        return refund::request_refund(&app.orders, request).await;
    }
    if let Operation::Return(operation) = request.operation {
        return returns::change_return(&app.orders, operation, request).await;
    }
    let Operation::Signal(operation) = request.operation else {
        return Err(Problem::internal("a request of another function"));
    };
    // Runs before the body is parsed: an error in the body would reveal that the order exists.
    request
        .require_order_access(&app.orders, async |_| Ok(None))
        .await?;
    QueryParameters::new(request).finish()?;
    let order_id = request.order_id()?;
    let (name, mut command) = parse_command(operation, request)?;
    if request.customer().is_some() {
        command.publish_reason();
    }
    // Only a key gives an update id; a payment's transaction id does not. With it, a refusal (too
    // early, wrong amount) would be repeated for every retry. The workflow itself recognizes a
    // transaction that it has already accepted.
    let update_id = request.idempotency_key()?.map(|key| key.update_id(name));
    let origin = request.origin();
    let sent = send(app, &order_id, &command, update_id.as_deref());
    let outcome = with_origin(origin.clone(), sent).await;
    match outcome.map_err(|error| response::client_problem(error, &order_id))? {
        Outcome::Completed { outcome, repeated } => {
            response::outcome_response(&order_id, outcome, repeated)
        }
        Outcome::Undecided => response::undecided_response(
            &order_id,
            None,
            "The order has not decided yet; poll its status.",
        ),
        Outcome::UpdateIdReused => {
            let detail = "An earlier request to this order used this Idempotency-Key with another body; send a new key.";
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
        }
        Outcome::TooManyRequests(refusal) => Err(Problem::too_many_requests_for_order(
            refusal.retry_after_seconds,
        )),
        Outcome::OrderChanged(changed) => Err(Problem::precondition_failed(changed.seq)),
        Outcome::OrderClosed => {
            let closed = closed_order::ClosedOrder {
                orders: &app.orders,
                order_id: &order_id,
                origin: &origin,
            };
            closed.respond(&command).await
        }
    }
}

/// Sends the command to the order. The notes of an order can change after its end.
async fn send(
    app: &App,
    order_id: &OrderId,
    command: &OrderCommand,
    update_id: Option<&str>,
) -> Result<Outcome, Error> {
    let sent = app
        .orders
        .update_order(order_id, command.clone(), update_id);
    match (sent.await, command) {
        // Temporal deletes the workflow of a closed order after its retention time.
        (Ok(Outcome::OrderClosed) | Err(Error::NotFound), OrderCommand::Update(change)) => {
            let changed = app.orders.change_closed_order(order_id, change, update_id);
            changed.await
        }
        (outcome, _) => outcome,
    }
}

fn parse_command(
    operation: SignalOperation,
    request: &ApiRequest,
) -> Result<(&'static str, OrderCommand), Problem> {
    Ok(match operation {
        SignalOperation::Approve => ("approve", OrderCommand::Approve(request.parse_body()?)),
        SignalOperation::Reject => ("reject", OrderCommand::Reject(request.parse_body()?)),
        SignalOperation::Cancel => ("cancel", OrderCommand::Cancel(request.parse_body()?)),
        SignalOperation::UpdateAddress => (
            "update-address",
            OrderCommand::UpdateAddress(request.parse_body()?),
        ),
        SignalOperation::CancelPayment => (
            "cancel-payment",
            OrderCommand::CancelPayment(request.parse_body()?),
        ),
        SignalOperation::ConfirmPayment => (
            "confirm-payment",
            OrderCommand::ConfirmPayment(request.parse_body()?),
        ),
        SignalOperation::Hold => ("hold", OrderCommand::Hold(request.parse_body()?)),
        SignalOperation::Release => ("release", OrderCommand::Release(request.parse_body()?)),
        SignalOperation::UpdateItems => {
            let mut change: ItemsChange = request.parse_body()?;
            // A customer's key sets no prices.
            change.reduce_only = request.customer().is_some();
            ("update-items", OrderCommand::UpdateItems(change))
        }
        SignalOperation::Update => ("update", OrderCommand::Update(request.parse_body()?)),
        SignalOperation::ConfirmDelivery => (
            "confirm-delivery",
            OrderCommand::ConfirmDelivery(request.parse_body()?),
        ),
    })
}
