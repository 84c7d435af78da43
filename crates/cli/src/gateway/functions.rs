//! The seven functions, which share one Temporal client and one database pool.

use anyhow::Result;
use lambda_http::{Body, Request, RequestExt, Response};

use order_client::{OrderClient, SdkMetrics, TemporalSettings};
use orderflow_http::{Application, Function};

/// Size of the database pool. The worker has its own pool.
const CONNECTIONS: u32 = 10;

/// All functions of the API.
#[derive(Debug)]
pub(crate) struct Functions {
    start: start::App,
    signal: signal::App,
    query: query::App,
    events: events::App,
    admin: admin::App,
    web: web::App,
    webhook: webhook::App,
}

impl Functions {
    pub(crate) fn from_env(metrics: &SdkMetrics) -> Result<Self> {
        orderflow_http::configure_auth()?;
        orderflow_http::configure_cors()?;
        let orders = OrderClient::new(TemporalSettings::from_env()?.with_metrics(metrics));
        let database = store::Database::from_env(CONNECTIONS)?;
        Ok(Self {
            start: start::App::new(orders.clone())?,
            signal: signal::App::new(orders.clone()),
            query: query::App::new(orders.clone(), database.clone())?,
            events: events::App::new(orders.clone(), database.clone())?,
            admin: admin::App::new(database)?,
            webhook: webhook::App::new(orders)?,
            web: web::App,
        })
    }

    /// Passes the request to the function of its route; the fallback function responds 404 or 405.
    pub(crate) async fn handle(&self, request: Request) -> Response<Body> {
        let found = orderflow_http::find_route(request.method(), request.raw_http_path());
        match found.map_or(Function::FALLBACK, |(route, _)| route.operation.function()) {
            Function::Start => self.start.handle(request).await,
            Function::Signal => self.signal.handle(request).await,
            Function::Query => self.query.handle(request).await,
            Function::Events => self.events.handle(request).await,
            Function::Admin => self.admin.handle(request).await,
            Function::Web => self.web.handle(request).await,
            Function::Webhook => self.webhook.handle(request).await,
        }
    }
}
