//! The request handler: dispatches each route of the function.

use lambda_http::{Body, Request, Response};

use crate::{app::App, deliveries, endpoints, stock};
use orderflow_http::{
    AdminOperation, ApiRequest, ApiResponse, Application, EndpointOperation, Function, Operation,
    Problem, serve,
};
use settings::SettingError;
use store::Database;

/// Size of the connection pool. A sandbox handles one request at a time: one connection is in use,
/// and one can be on its way back to the pool.
const CONNECTIONS: u32 = 2;

impl Application for App {
    const SERVICE: &'static str = "orderflow-admin";
    const FUNCTION: Function = Function::Admin;

    fn from_env() -> Result<Self, SettingError> {
        Self::new(Database::from_env(CONNECTIONS)?)
    }

    async fn warm_up(&self) {
        let ping = async { store::ping(&self.database.pool().await?).await };
        let _ = ping.await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Admin, request, async |request| {
            route(self, &request).await
        })
        .await
    }
}

async fn route(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Admin(operation) = request.operation else {
        return Err(Problem::internal("a request of another function"));
    };
    request.require_shop_caller()?;
    match operation {
        AdminOperation::ListStock => stock::list_stock(app, request).await,
        AdminOperation::GetStock => stock::get_stock(app, request).await,
        AdminOperation::PutStock => stock::put_stock(app, request).await,
        AdminOperation::Endpoint(operation) => route_endpoint(app, request, operation).await,
    }
}

async fn route_endpoint(
    app: &App,
    request: &ApiRequest,
    operation: EndpointOperation,
) -> Result<ApiResponse, Problem> {
    match operation {
        EndpointOperation::Create => endpoints::create(app, request).await,
        EndpointOperation::List => endpoints::list(app, request).await,
        EndpointOperation::Get => endpoints::get(app, request).await,
        EndpointOperation::Change => endpoints::change(app, request).await,
        EndpointOperation::Delete => endpoints::delete(app, request).await,
        EndpointOperation::RotateSecret => endpoints::rotate_secret(app, request).await,
        EndpointOperation::Enable => endpoints::enable(app, request).await,
        EndpointOperation::Test => deliveries::send_test(app, request).await,
        EndpointOperation::ListDeliveries => deliveries::list(app, request).await,
        EndpointOperation::Redeliver => deliveries::redeliver(app, request).await,
    }
}
