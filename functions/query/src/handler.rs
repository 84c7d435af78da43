//! The request handler: dispatches each route of the function.

use lambda_http::{Body, Request, Response};

use crate::{app::App, order_source, refunds, response, returns};
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, QueryOperation, serve,
};
use settings::SettingError;
use store::Database;

/// Size of the connection pool. A sandbox handles one request at a time: one connection is in use,
/// and one can be on its way back to the pool.
const CONNECTIONS: u32 = 2;

impl Application for App {
    const SERVICE: &'static str = "orderflow-query";
    const FUNCTION: Function = Function::Query;

    fn from_env() -> Result<Self, SettingError> {
        Self::new(
            OrderClient::new(TemporalSettings::from_env()?),
            Database::from_env(CONNECTIONS)?,
        )
    }

    async fn warm_up(&self) {
        // The URL of the database may be in a secret.
        let _ = tokio::join!(self.orders.check_health(), self.database.pool());
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Query, request, async |request| {
            route(self, &request).await
        })
        .await
    }
}

async fn route(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Query(operation) = request.operation else {
        return Err(Problem::internal("a request of another function"));
    };
    request
        .require_order_access(&app.orders, async |order_id| {
            Ok(order_source::read_projection(app, order_id)
                .await?
                .and_then(|row| row.customer_id))
        })
        .await?;
    match operation {
        QueryOperation::Order => response::order_response(app, request, ApiResponse::ok).await,
        QueryOperation::Status => {
            response::order_response(app, request, |view| ApiResponse::ok(&view.status_view()))
                .await
        }
        QueryOperation::EstimatedDelivery => {
            response::order_response(app, request, |view| {
                ApiResponse::ok(&view.estimated_delivery_view())
            })
            .await
        }
        QueryOperation::Result => response::result_response(app, request).await,
        QueryOperation::Refunds => refunds::list_refunds(app, request).await,
        QueryOperation::Refund => refunds::get_refund(app, request).await,
        QueryOperation::Returns => returns::list_returns(app, request).await,
        QueryOperation::Return => returns::get_return(app, request).await,
    }
}
