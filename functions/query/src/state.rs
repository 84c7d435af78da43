//! Where the state of one order comes from.
//!
//! An open order answers itself; when no worker is there, its row does. A closed order's row is final
//! and costs no worker. Where there is no row yet, Temporal knows at least that the order was started.

use crate::{App, app::Reads};
use contract::{OrderView, Source};
use domain::{Customer, CustomerId, OrderId, OrderRecord, OrderStatus, Step};
use order_client::{Described, Error};
use orderflow_http::{Call, Parameters, Problem};

/// Which source a call asks first: its own choice, else the deployment's.
pub(crate) fn asked(app: &App, call: &Call) -> Result<Reads, Problem> {
    let mut parameters = Parameters::of(call);
    let asked = parameters.read(
        "source",
        "must be workflow or database",
        |source| match source {
            "workflow" => Some(Reads::Workflow),
            "database" => Some(Reads::Database),
            _ => None,
        },
    );
    parameters.finish()?;
    Ok(asked.unwrap_or(app.reads))
}

pub(crate) async fn state(
    app: &App,
    order_id: &OrderId,
    reads: Reads,
) -> Result<OrderView, Problem> {
    match reads {
        Reads::Workflow => from_workflow(app, order_id).await,
        Reads::Database => match row(app, order_id).await? {
            Some(view) => Ok(view),
            None => described(app, order_id).await,
        },
    }
}

async fn from_workflow(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    match app.orders.open_state(order_id).await {
        Ok(Some(view)) => Ok(view),
        Ok(None) => closed(app, order_id).await,
        // Temporal forgets a closed order after a while; the row stays.
        Err(Error::NotFound) => row(app, order_id).await?.ok_or_else(|| unknown(order_id)),
        Err(Error::NoWorker) => match row(app, order_id).await? {
            Some(view) => Ok(view),
            None => described(app, order_id).await,
        },
        Err(error @ (Error::Unavailable(_) | Error::Unexpected(_))) => {
            // The cause to name is Temporal's, whatever the database says of an order that it may not have.
            row(app, order_id)
                .await
                .ok()
                .flatten()
                .ok_or_else(|| error.into())
        }
    }
}

async fn closed(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    let away = match row(app, order_id).await {
        Ok(Some(view)) => return Ok(view),
        Ok(None) => None,
        Err(problem) => Some(problem),
    };
    match app.orders.full_state(order_id).await {
        Ok(view) => Ok(view),
        Err(Error::NotFound) => Err(unknown(order_id)),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => match away
        {
            Some(problem) => Err(problem),
            None => described(app, order_id).await.map_err(|_| error.into()),
        },
    }
}

pub(crate) async fn row(app: &App, order_id: &OrderId) -> Result<Option<OrderView>, Problem> {
    store::orders::view(app.database.pool().await, order_id)
        .await
        .map_err(failed)
}

/// What the database could not do.
pub(crate) fn failed(error: store::Error) -> Problem {
    let text = telemetry::chain(&error);
    if error.is_unavailable() {
        Problem::database_unavailable(text)
    } else {
        Problem::internal(text)
    }
}

async fn described(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    match app.orders.describe(order_id).await {
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
fn started(app: &App, order_id: &OrderId, described: Described) -> OrderView {
    let blank = OrderView::from_record(
        &OrderRecord::new(order_id.clone(), described.started_at),
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
