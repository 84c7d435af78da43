//! What the function is set up with, and where its calls go.

use lambda_http::{Body, Request, Response};

use crate::{health, order_source, response};
use domain::Span;
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, QueryOperation,
    QueryParameters, serve,
};
use settings::{DELIVERY_ESTIMATE, Environment, READS, SettingError};
use store::Database;

/// A sandbox serves one call at a time; one connection is in use, one may be on its way back.
const CONNECTIONS: u32 = 2;

/// Which source is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadSource {
    Workflow,
    Database,
}

/// The doors to Temporal and to the database, made once.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    pub(crate) database: Database,
    pub(crate) default_source: ReadSource,
    /// For an order that nobody has worked on; each other one has an estimate of its own.
    pub(crate) delivery_estimate: Span,
}

impl App {
    /// With doors that others use as well.
    pub fn new(orders: OrderClient, database: Database) -> Result<Self, SettingError> {
        let environment = Environment::from_process();
        let default_source = environment.choose(
            &READS,
            &[
                ("workflow", ReadSource::Workflow),
                ("database", ReadSource::Database),
            ],
        )?;
        let delivery_estimate = environment.parse_or_default::<Span>(&DELIVERY_ESTIMATE)?;
        Ok(Self {
            orders,
            database,
            default_source,
            delivery_estimate,
        })
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Self::new(
            OrderClient::new(TemporalSettings::from_env()?),
            Database::from_env(CONNECTIONS)?,
        )
    }

    async fn warm_up(&self) {
        let _ = self.orders.check_health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Query, request, async |call| {
            route(self, &call).await
        })
        .await
    }
}

async fn route(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Query(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    call.require_order_access(&app.orders, async |order_id| {
        Ok(order_source::read_projection(app, order_id)
            .await?
            .and_then(|row| row.customer_id))
    })
    .await?;
    match operation {
        QueryOperation::Order => response::order_response(app, call, ApiResponse::ok).await,
        QueryOperation::Status => {
            response::order_response(app, call, |view| ApiResponse::ok(&view.status_view())).await
        }
        QueryOperation::EstimatedDelivery => {
            response::order_response(app, call, |view| {
                ApiResponse::ok(&view.estimated_delivery_view())
            })
            .await
        }
        QueryOperation::Result => response::result_response(app, call).await,
        QueryOperation::Health => {
            QueryParameters::new(call).finish()?;
            health::check_health(app).await
        }
    }
}
