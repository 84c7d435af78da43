//! Where the function's calls go.

use lambda_http::{Body, Request, Response};

use crate::{closed_order, response};
use order_client::{OrderClient, OrderCommand, TemporalSettings, UpdateResult as Outcome};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, ProblemCode,
    QueryParameters, SignalOperation, serve,
};
use settings::SettingError;

/// The door to Temporal, made once.
#[derive(Debug)]
pub struct App {
    orders: OrderClient,
}

impl App {
    /// With a door that others use as well.
    pub fn new(orders: OrderClient) -> Self {
        Self { orders }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(OrderClient::new(TemporalSettings::from_env()?)))
    }

    async fn warm_up(&self) {
        let _ = self.orders.check_health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Signal, request, async |call| {
            answer(self, &call).await
        })
        .await
    }
}

async fn answer(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Signal(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    // Before the body: what is wrong with it would tell that the order is there.
    call.require_order_access(&app.orders, async |_| Ok(None))
        .await?;
    QueryParameters::new(call).finish()?;
    let order_id = call.order_id()?;
    let (name, command) = command(operation, call)?;
    // Without a key there is no update id, not even a payment's transaction id: a refusal (too early, a
    // wrong amount) would be the answer for ever. The order itself knows a transaction that it has seen.
    let update_id = call.idempotency_key()?.map(|key| key.update_id(name));
    let outcome = app
        .orders
        .update_order(&order_id, command.clone(), update_id.as_deref())
        .await;
    match outcome.map_err(|error| response::client_problem(error, &order_id))? {
        Outcome::Completed { answer, repeated } => {
            response::outcome_response(&order_id, answer, repeated)
        }
        Outcome::Undecided => {
            response::undecided_response(&order_id, None, "The order has not decided yet.")
        }
        Outcome::UpdateIdReused => {
            let detail = "Something else was asked of this order under the same Idempotency-Key; send another key.";
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
        }
        Outcome::OrderClosed => {
            closed_order::closed_order_response(&app.orders, &order_id, &command).await
        }
    }
}

fn command(
    operation: SignalOperation,
    call: &ApiRequest,
) -> Result<(&'static str, OrderCommand), Problem> {
    Ok(match operation {
        SignalOperation::Approve => ("approve", OrderCommand::Approve(call.parse_body()?)),
        SignalOperation::Reject => ("reject", OrderCommand::Reject(call.parse_body()?)),
        SignalOperation::Cancel => ("cancel", OrderCommand::Cancel(call.parse_body()?)),
        SignalOperation::UpdateAddress => (
            "update-address",
            OrderCommand::UpdateAddress(call.parse_body()?),
        ),
        SignalOperation::CancelPayment => (
            "cancel-payment",
            OrderCommand::CancelPayment(call.parse_body()?),
        ),
        SignalOperation::ConfirmPayment => (
            "confirm-payment",
            OrderCommand::ConfirmPayment(call.parse_body()?),
        ),
        SignalOperation::ConfirmDelivery => (
            "confirm-delivery",
            OrderCommand::ConfirmDelivery(call.parse_body()?),
        ),
    })
}
