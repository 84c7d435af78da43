//! What the function is set up with, and where its calls go.

use lambda_http::{Body, Request, Response};

use crate::{orders, trail};
use domain::SettingError;
use order_client::{Orders, TemporalSettings};
use orderflow_http::{Application, Call, Function, Listing, Operation, Problem, Reply, serve};
use store::Database;

/// A sandbox serves one call at a time; one connection is in use, one may be on its way back.
const CONNECTIONS: u32 = 2;

/// The doors to the database and to Temporal, made once.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: Orders,
    pub(crate) database: Database,
}

impl App {
    /// With doors that others use as well.
    pub fn new(orders: Orders, database: Database) -> Self {
        Self { orders, database }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        let orders = Orders::connect(TemporalSettings::from_env()?);
        Ok(Self::new(orders, Database::from_env(CONNECTIONS)?))
    }

    async fn warm_up(&self) {
        let _ = store::ping(self.database.pool().await).await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Events, request, async |call| {
            answer(self, &call).await
        })
        .await
    }
}

async fn answer(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Operation::Events(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    call.require_own(&app.orders, async |order_id| {
        let row = store::orders::view(app.database.pool().await, order_id)
            .await
            .map_err(failed)?;
        Ok(row.and_then(|row| row.customer_id))
    })
    .await?;
    match operation {
        Listing::Orders => orders::list(app, call).await,
        Listing::Trail => trail::list(app, call).await,
    }
}

/// What the database could not do.
pub(crate) fn failed(error: store::Error) -> Problem {
    let text = telemetry::chain(&error);
    if error.is_unavailable() {
        Problem::database_unavailable(text)
    } else {
        Problem::internal(text)
    }
}
