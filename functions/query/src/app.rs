//! What the function is set up with, and where its calls go.

use lambda_http::{Body, Request, Response};

use crate::{answer, health, state};
use domain::{Profile, SettingError, Span, SpanError};
use order_client::{Orders, TemporalSettings};
use orderflow_http::{
    Application, Call, Function, Operation, Parameters, Problem, Querying, Reply, from_env,
    refused_setting, serve,
};
use store::Database;

/// A sandbox serves one call at a time; one connection is in use, one may be on its way back.
const CONNECTIONS: u32 = 2;

/// Which source is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Workflow,
    Database,
}

/// The doors to Temporal and to the database, made once.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: Orders,
    pub(crate) database: Database,
    pub(crate) reads: Reads,
    /// For an order that nobody has worked on; each other one has an estimate of its own.
    pub(crate) delivery_estimate: Span,
}

impl App {
    /// With doors that others use as well.
    pub fn new(orders: Orders, database: Database) -> Result<Self, SettingError> {
        let reads = match from_env("READS").as_deref() {
            None | Some("workflow") => Reads::Workflow,
            Some("database") => Reads::Database,
            Some(other) => {
                return Err(refused_setting(
                    "READS",
                    other,
                    "must be workflow or database",
                ));
            }
        };
        let delivery_estimate = match from_env("DELIVERY_ESTIMATE") {
            None => Profile::Production.policy().delivery_estimate,
            Some(text) => text.parse().map_err(|error: SpanError| {
                refused_setting("DELIVERY_ESTIMATE", &text, &error.to_string())
            })?,
        };
        Ok(Self {
            orders,
            database,
            reads,
            delivery_estimate,
        })
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Self::new(
            Orders::connect(TemporalSettings::from_env()?),
            Database::from_env(CONNECTIONS)?,
        )
    }

    async fn warm_up(&self) {
        let _ = self.orders.health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Query, request, async |call| {
            route(self, &call).await
        })
        .await
    }
}

async fn route(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Operation::Query(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    call.require_own(&app.orders, async |order_id| {
        Ok(state::row(app, order_id)
            .await?
            .and_then(|row| row.customer_id))
    })
    .await?;
    match operation {
        Querying::Order => answer::state(app, call, Reply::ok).await,
        Querying::Status => answer::state(app, call, |view| Reply::ok(&view.status_view())).await,
        Querying::EstimatedDelivery => {
            answer::state(app, call, |view| Reply::ok(&view.estimated_delivery_view())).await
        }
        Querying::Result => answer::result(app, call).await,
        Querying::Health => {
            Parameters::of(call).finish()?;
            health::health(app).await
        }
    }
}
