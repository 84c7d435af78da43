//! The sources of one order's state.
//!
//! 1. The projection of an ended order, which is final. Temporal bills each query.
//! 2. An open order's workflow, if a worker is running.
//! 3. The projection of an open order, while no worker is running.
//! 4. Temporal's description of the workflow, if the projection does not exist yet.

use std::time::Duration;

use tokio::time::timeout;

use crate::app::{App, ReadSource};
use contract::{OrderView, Source};
use domain::{Customer, CustomerId, OrderId, OrderState, OrderStatus, Step};
use order_client::{Error, OrderDescription};
use orderflow_http::{ApiRequest, Problem, QueryParameters};

/// The time limit of the first read of the projection. Afterwards the workflow is asked, so that an
/// unavailable database delays a read only for a moment.
const FIRST_READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the source that the request names, or the deployment's default.
pub(crate) fn requested_source(app: &App, request: &ApiRequest) -> Result<ReadSource, Problem> {
    let mut parameters = QueryParameters::new(request);
    let requested = parameters.parse(
        "source",
        "must be workflow or database",
        |source| match source {
            "workflow" => Some(ReadSource::Workflow),
            "database" => Some(ReadSource::Database),
            _ => None,
        },
    );
    parameters.finish()?;
    Ok(requested.unwrap_or(app.default_source))
}

pub(crate) async fn read_order(
    app: &App,
    order_id: &OrderId,
    source: ReadSource,
) -> Result<OrderView, Problem> {
    let view = match source {
        ReadSource::Workflow => read_from_workflow(app, order_id).await?,
        ReadSource::Database => match read_projection(app, order_id).await? {
            Some(view) => view,
            None => read_description(app, order_id).await?,
        },
    };
    Ok(with_refunds(app, view).await)
}

/// Rejects an unknown order. An order that no worker has received is only in Temporal.
pub(crate) async fn require_order(app: &App, order_id: &OrderId) -> Result<(), Problem> {
    read_order(app, order_id, app.default_source)
        .await
        .map(|_| ())
}

/// Adds the refunds of a paid order, from the database. Other orders need no query, and an unavailable
/// database leaves them out.
async fn with_refunds(app: &App, view: OrderView) -> OrderView {
    let is_paid = view
        .amounts
        .as_ref()
        .is_some_and(|amounts| amounts.captured.is_positive());
    if !is_paid {
        return view;
    }
    let Ok(pool) = app.database.pool().await else {
        return view;
    };
    let refunds = store::refunds::list(&pool, &view.order_id).await;
    OrderView {
        refunds: refunds.unwrap_or_default(),
        ..view
    }
}

async fn read_from_workflow(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    if let Ok(Ok(Some(view))) = timeout(FIRST_READ_TIMEOUT, read_projection(app, order_id)).await
        && !view.is_running
    {
        return Ok(view);
    }
    match app.orders.query_open_order(order_id).await {
        Ok(Some(view)) => Ok(view),
        Ok(None) => read_closed_order(app, order_id).await,
        // Temporal deletes a closed workflow after its retention; the projection stays.
        Err(Error::NotFound) => read_projection(app, order_id)
            .await?
            .ok_or_else(|| order_not_found(order_id)),
        Err(Error::NoWorker) => match read_projection(app, order_id).await? {
            Some(view) => Ok(view),
            None => read_description(app, order_id).await,
        },
        Err(error @ (Error::Unavailable(_) | Error::Unexpected(_))) => {
            // The problem names Temporal's error: the database may not have the order yet.
            read_projection(app, order_id)
                .await
                .ok()
                .flatten()
                .ok_or_else(|| error.into())
        }
    }
}

async fn read_closed_order(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    let database_problem = match read_projection(app, order_id).await {
        Ok(Some(view)) => return Ok(view),
        Ok(None) => None,
        Err(problem) => Some(problem),
    };
    match app.orders.query_order(order_id).await {
        Ok(view) => Ok(view),
        Err(Error::NotFound) => Err(order_not_found(order_id)),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
            match database_problem {
                Some(problem) => Err(problem),
                None => read_description(app, order_id)
                    .await
                    .map_err(|_| error.into()),
            }
        }
    }
}

pub(crate) async fn read_projection(
    app: &App,
    order_id: &OrderId,
) -> Result<Option<OrderView>, Problem> {
    Ok(store::orders::read_order(&app.database.pool().await?, order_id).await?)
}

async fn read_description(app: &App, order_id: &OrderId) -> Result<OrderView, Problem> {
    match app.orders.describe_order(order_id).await {
        Ok(described) => Ok(started_view(app, order_id, described)),
        Err(Error::NotFound) => Err(order_not_found(order_id)),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
            Err(error.into())
        }
    }
}

fn order_not_found(order_id: &OrderId) -> Problem {
    Problem::order_not_found(order_id.as_str())
}

/// Returns the state of an order that no worker has received yet.
fn started_view(app: &App, order_id: &OrderId, described: OrderDescription) -> OrderView {
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
        document_pending: described.is_open,
        estimated_delivery: described.is_open.then_some(estimate),
        ..blank
    }
}
