//! `Prefer: wait=N` on a start: the response waits until the stock is reserved or refused.
//!
//! The function has no database, so it asks the workflow. A reservation takes less than a second if
//! a worker is running; without a worker, the response is the same as without a wait.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::app::App;
use contract::OrderView;
use domain::{FailureCode, LineItem, OrderId, Step};
use orderflow_http::{ApiRequest, ApiResponse, Problem, Shortage};

/// The time after the beginning of the call in which a wait must end, below the function's time-out
/// of 20 s.
const LAST_POLL: Duration = Duration::from_secs(14);

/// The pauses between two queries. Temporal bills each query.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// Returns `accepted` when the order's stock is reserved, or when the caller's wait is over.
///
/// # Errors
///
/// `out_of_stock`, when the order has failed because of its stock.
pub(crate) async fn await_reservation(
    app: &App,
    request: &ApiRequest,
    call: (Instant, &OrderId, &[LineItem]),
    accepted: ApiResponse,
) -> Result<ApiResponse, Problem> {
    let (began, order_id, lines) = call;
    let Some(wait) = request.preferred_wait() else {
        return Ok(accepted);
    };
    let deadline = (Instant::now() + wait.duration()).min(began + LAST_POLL);
    let outcome = timeout_at(deadline, read_outcome(app, order_id)).await;
    match outcome {
        Ok(Some(view)) if is_out_of_stock(&view) => {
            let shortages = find_shortages(&view, lines);
            // The stock of the shop is not for its customers.
            let shortages = match request.customer() {
                Some(_) => shortages
                    .into_iter()
                    .map(Shortage::without_figures)
                    .collect(),
                None => shortages,
            };
            Err(Problem::out_of_stock(order_id, shortages, wait))
        }
        Ok(_) | Err(_) => Ok(accepted.with_applied_wait(Some(wait))),
    }
}

/// Returns the order's state as soon as its stock is decided. Returns `None` if no worker can tell.
async fn read_outcome(app: &App, order_id: &OrderId) -> Option<OrderView> {
    let mut pauses = PAUSES.iter();
    let mut pause = PAUSES[0];
    loop {
        sleep(pause).await;
        pause = *pauses.next().unwrap_or(&PAUSES[PAUSES.len() - 1]);
        let view = app.orders.query_order(order_id).await.ok()?;
        if view.step > Step::Validate {
            return Some(view);
        }
    }
}

fn is_out_of_stock(view: &OrderView) -> bool {
    view.failure
        .as_ref()
        .is_some_and(|failure| failure.code == FailureCode::OutOfStock)
}

/// Returns the SKUs that are short. The failure names them in its text.
fn find_shortages(view: &OrderView, lines: &[LineItem]) -> Vec<Shortage> {
    let detail = view.failure.as_ref().map_or("", |failure| &failure.detail);
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    for line in lines {
        *wanted.entry(line.sku.as_str()).or_default() += i64::from(line.quantity);
    }
    wanted
        .into_iter()
        .filter_map(|(sku, wanted)| {
            let available = detail.strip_prefix(sku)?.strip_prefix(" has ")?;
            Some(Shortage {
                sku: sku.to_owned(),
                wanted: Some(wanted),
                available: available.strip_suffix(" left")?.parse().ok(),
            })
        })
        .collect()
}
