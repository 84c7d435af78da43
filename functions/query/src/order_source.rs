//! Where the state of one order comes from.
//!
//! An open order answers itself; when no worker is there, its row does. A closed order's row is final
//! and costs no worker. Where there is no row yet, Temporal knows at least that the order was started.

use crate::{App, app::ReadSource};
use contract::{OrderView, Source};
use domain::{Customer, CustomerId, OrderId, OrderState, OrderStatus, Step};
use order_client::{Error, OrderDescription};
use orderflow_http::{ApiRequest, Problem, QueryParameters};

/// Which source a call asks first: its own choice, else the deployment's.
pub(crate) fn requested_source(app: &App, call: &ApiRequest) -> Result<ReadSource, Problem> {
    let mut parameters = QueryParameters::new(call);
    let asked = parameters.parse(
        "source",
        "must be workflow or database",
        |source| match source {
            "workflow" => Some(ReadSource::Workflow),
            "database" => Some(ReadSource::Database),
            _ => None,
        },
    );
    parameters.finish()?;
    Ok(asked.unwrap_or(app.default_source))
}

pub(crate) async fn read_order(
    app: &App,
    order_id: &OrderId,
    reads: ReadSource,
) -> Result<OrderView, Problem> {
    match reads {
        ReadSource::Workflow => from_workflow(app, order_id).await,
        ReadSource::Database => match read_projection(app, order_id).await? {
            Some(view) => Ok(view),
            None => described(app, order_id).await,
        },
    }
}

async fn from_workflow(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    match app.orders.query_open_order(order_id).await {
        Ok(Some(view)) => Ok(view),
        Ok(None) => closed(app, order_id).await,
        // Temporal forgets a closed order after a while; the row stays.
        Err(Error::NotFound) => read_projection(app, order_id)
            .await?
            .ok_or_else(|| unknown(order_id)),
        Err(Error::NoWorker) => match read_projection(app, order_id).await? {
            Some(view) => Ok(view),
            None => described(app, order_id).await,
        },
        Err(error @ (Error::Unavailable(_) | Error::Unexpected(_))) => {
            // The cause to name is Temporal's, whatever the database says of an order that it may not have.
            read_projection(app, order_id)
                .await
                .ok()
                .flatten()
                .ok_or_else(|| error.into())
        }
    }
}

async fn closed(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    let away = match read_projection(app, order_id).await {
        Ok(Some(view)) => return Ok(view),
        Ok(None) => None,
        Err(problem) => Some(problem),
    };
    match app.orders.query_order(order_id).await {
        Ok(view) => Ok(view),
        Err(Error::NotFound) => Err(unknown(order_id)),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => match away
        {
            Some(problem) => Err(problem),
            None => described(app, order_id).await.map_err(|_| error.into()),
        },
    }
}

pub(crate) async fn read_projection(
    app: &App,
    order_id: &OrderId,
) -> Result<Option<OrderView>, Problem> {
    store::orders::read_order(app.database.pool().await, order_id)
        .await
        .map_err(database_problem)
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

async fn described(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    match app.orders.describe_order(order_id).await {
        Ok(described) => Ok(started(app, order_id, described)),
        Err(Error::NotFound) => Err(unknown(order_id)),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
            Err(error.into())
        }
    }
}

fn unknown(order_id: &OrderId) -> Problem {
    Problem::order_not_found(order_id.as_str())
}

/// All that is known of an order that nobody has worked on.
fn started(app: &App, order_id: &OrderId, described: OrderDescription) -> OrderView {
    let blank = OrderView::from_state(
        &OrderState::new(order_id.clone(), described.started_at),
        Source::Temporal,
    );
    let estimate = described.started_at + app.delivery_estimate.duration();
    let id: Option<CustomerId> = described.customer_id;
    OrderView {
        customer_id: id.as_ref().map(ToString::to_string),
        customer: Customer {
            id,
            ..Customer::default()
        },
        status: described.status.unwrap_or(OrderStatus::Pending),
        step: described.step.unwrap_or(Step::Receive),
        is_running: described.is_open,
        estimated_delivery: described.is_open.then_some(estimate),
        ..blank
    }
}
