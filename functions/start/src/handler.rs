//! The request handler: dispatches each route of the function.

use lambda_http::{Body, Request, Response};

use crate::{app::App, create, health, start};
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, QueryParameters,
    StartOperation, serve,
};
use settings::SettingError;

impl Application for App {
    const SERVICE: &'static str = "orderflow-start";
    const FUNCTION: Function = Function::Start;

    fn from_env() -> Result<Self, SettingError> {
        Self::new(OrderClient::new(TemporalSettings::from_env()?))
    }

    async fn warm_up(&self) {
        let _ = self.orders.check_health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Start, request, async |request| {
            route(self, &request).await
        })
        .await
    }
}

async fn route(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Start(operation) = request.operation else {
        return Err(Problem::internal("a request of another function"));
    };
    QueryParameters::new(request).finish()?;
    match operation {
        StartOperation::Create => create::create_order(app, request).await,
        StartOperation::Start => start::start_order(app, request).await,
        StartOperation::Health => health::check_health(app).await,
    }
}
