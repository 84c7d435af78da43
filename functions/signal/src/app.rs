//! Where the function's calls go.

use lambda_http::{Body, Request, Response};

use crate::{answer, closed};
use domain::SettingError;
use order_client::{Command, Orders, Reply as Outcome, TemporalSettings};
use orderflow_http::{
    Application, Call, Code, Function, Operation, Parameters, Problem, Reply, Signalling, serve,
};

/// The door to Temporal, made once.
#[derive(Debug)]
pub struct App {
    orders: Orders,
}

impl App {
    /// With a door that others use as well.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(Orders::connect(TemporalSettings::from_env()?)))
    }

    async fn warm_up(&self) {
        let _ = self.orders.health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Signal, request, async |call| {
            answer(self, &call).await
        })
        .await
    }
}

async fn answer(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Operation::Signal(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    // Before the body: what is wrong with it would tell that the order is there.
    call.require_own(&app.orders, async |_| Ok(None)).await?;
    Parameters::of(call).finish()?;
    let order_id = call.order_id()?;
    let (name, command) = command(operation, call)?;
    // Without a key there is no update id, not even a payment's transaction id: a refusal (too early, a
    // wrong amount) would be the answer for ever. The order itself knows a transaction that it has seen.
    let update_id = call.idempotency_key()?.map(|key| key.update_id(name));
    let outcome = app
        .orders
        .ask(&order_id, command.clone(), update_id.as_deref())
        .await;
    match outcome.map_err(|error| answer::failed(error, &order_id))? {
        Outcome::Answered { answer, repeated } => answer::answered(&order_id, answer, repeated),
        Outcome::Undecided => answer::undecided(&order_id, None, "The order has not decided yet."),
        Outcome::Reused => {
            let detail = "Something else was asked of this order under the same Idempotency-Key; send another key.";
            Err(Problem::new(Code::IdempotencyKeyReused, detail))
        }
        Outcome::Closed => closed::closed(&app.orders, &order_id, &command).await,
    }
}

fn command(operation: Signalling, call: &Call) -> Result<(&'static str, Command), Problem> {
    Ok(match operation {
        Signalling::Approve => ("approve", Command::Approve(call.read()?)),
        Signalling::Reject => ("reject", Command::Reject(call.read()?)),
        Signalling::Cancel => ("cancel", Command::Cancel(call.read()?)),
        Signalling::UpdateAddress => ("update-address", Command::UpdateAddress(call.read()?)),
        Signalling::CancelPayment => ("cancel-payment", Command::CancelPayment(call.read()?)),
        Signalling::ConfirmPayment => ("confirm-payment", Command::ConfirmPayment(call.read()?)),
        Signalling::ConfirmDelivery => ("confirm-delivery", Command::ConfirmDelivery(call.read()?)),
    })
}
