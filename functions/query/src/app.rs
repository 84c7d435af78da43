//! What the function is set up with, and where its calls go.

use crate::{health, state};
use client::{Orders, TemporalSettings};
use domain::SettingError;
use lambda_http::{Body, Request, Response};
use orderflow_http::{Call, Function, Operation, Problem, Querying, Reply, exit, from_env, refused_setting, serve};
use std::process::ExitCode;
use store::PgPool;

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
    pub(crate) pool: PgPool,
    pub(crate) reads: Reads,
}

impl App {
    /// Fails on a setting that is not allowed; not on a Temporal or a database that is away.
    pub fn from_env() -> Result<Self, SettingError> {
        Self::new(Orders::connect(TemporalSettings::from_env()?), store::pool_from_env(CONNECTIONS)?)
    }

    /// With doors that others use as well.
    pub fn new(orders: Orders, pool: PgPool) -> Result<Self, SettingError> {
        let reads = match from_env("READS").as_deref() {
            None | Some("workflow") => Reads::Workflow,
            Some("database") => Reads::Database,
            Some(other) => return Err(refused_setting("READS", other, "must be workflow or database")),
        };
        Ok(Self { orders, pool, reads })
    }

    /// Connects ahead of the first call. What fails now is tried again then.
    pub async fn warm_up(&self) {
        let _ = self.orders.health().await;
    }
}

/// The program: serves calls until Lambda ends the sandbox.
pub async fn run() -> ExitCode {
    telemetry::init();
    let app = match App::from_env() {
        Ok(app) => app,
        Err(error) => return exit(Err::<(), _>(error)),
    };
    app.warm_up().await;
    exit(orderflow_http::run(async |request| handle(&app, request).await).await)
}

/// Answers one call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    serve(Function::Query, request, async |call| answer(app, &call).await).await
}

async fn answer(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Operation::Query(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    match operation {
        Querying::Order => Reply::ok(&state::state(app, call).await?),
        Querying::Status => Reply::ok(&state::state(app, call).await?.status_view()),
        Querying::Health => health::health(app).await,
    }
}
