//! The request handler: dispatches each route of the function.

use lambda_http::{Body, Request, Response};

use crate::{app::App, attention, audit_log, orders, stats};
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, EventsOperation, Function, Operation, Problem, serve,
};
use settings::SettingError;
use store::Database;

/// Size of the connection pool. A sandbox handles one request at a time: one connection is in use,
/// and one can be on its way back to the pool.
const CONNECTIONS: u32 = 2;

impl Application for App {
    const SERVICE: &'static str = "orderflow-events";
    const FUNCTION: Function = Function::Events;

    fn from_env() -> Result<Self, SettingError> {
        let orders = OrderClient::new(TemporalSettings::from_env()?);
        Self::new(orders, Database::from_env(CONNECTIONS)?)
    }

    async fn warm_up(&self) {
        let ping = async { store::ping(&self.database.pool().await?).await };
        let _ = ping.await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Events, request, async |request| {
            route(self, &request).await
        })
        .await
    }
}

async fn route(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Events(operation) = request.operation else {
        return Err(Problem::internal("a request of another function"));
    };
    request
        .require_order_access(&app.orders, async |order_id| {
            let row = store::orders::read_order(&app.database.pool().await?, order_id).await?;
            Ok(row.and_then(|row| row.customer_id))
        })
        .await?;
    match operation {
        EventsOperation::Orders => orders::list_orders(app, request).await,
        EventsOperation::AuditLog => audit_log::list_audit_events(app, request).await,
        EventsOperation::Attention => attention::list_attention(app, request).await,
        EventsOperation::Stats => stats::read_stats(app, request).await,
    }
}
