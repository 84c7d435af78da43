//! What the function is set up with, and where its calls go.

use lambda_http::{Body, Request, Response};

use crate::{audit_log, orders};
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, EventsOperation, Function, Operation, Problem, serve,
};
use settings::SettingError;
use store::Database;

/// A sandbox serves one call at a time; one connection is in use, one may be on its way back.
const CONNECTIONS: u32 = 2;

/// The doors to the database and to Temporal, made once.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    pub(crate) database: Database,
}

impl App {
    /// With doors that others use as well.
    pub fn new(orders: OrderClient, database: Database) -> Self {
        Self { orders, database }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        let orders = OrderClient::new(TemporalSettings::from_env()?);
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

async fn answer(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Events(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    call.require_order_access(&app.orders, async |order_id| {
        let row = store::orders::read_order(app.database.pool().await, order_id)
            .await
            .map_err(database_problem)?;
        Ok(row.and_then(|row| row.customer_id))
    })
    .await?;
    match operation {
        EventsOperation::Orders => orders::list_orders(app, call).await,
        EventsOperation::AuditLog => audit_log::list_audit_events(app, call).await,
    }
}

/// What the database could not do.
pub(crate) fn database_problem(error: store::Error) -> Problem {
    let text = telemetry::format_error_chain(&error);
    if error.is_unavailable() {
        Problem::database_unavailable(text)
    } else {
        Problem::internal(text)
    }
}
