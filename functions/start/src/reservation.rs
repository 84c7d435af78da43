//! `Prefer: wait=N` on a start: the response waits until the stock is reserved or refused.
//!
//! The function has no database, so it asks the workflow. A reservation takes less than a second if
//! a worker is running; without a worker, the response is the same as without a wait.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::app::App;
use contract::OrderView;
use domain::{FailureCode, OrderId, Step};
use orderflow_http::{ApiRequest, ApiResponse, Problem};

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
/// `out_of_stock` or `reservation_limit`, when the order has failed because of its stock.
pub(crate) async fn await_reservation(
    app: &App,
    request: &ApiRequest,
    call: (Instant, &OrderId),
    accepted: ApiResponse,
) -> Result<ApiResponse, Problem> {
    let (began, order_id) = call;
    let Some(wait) = request.preferred_wait() else {
        return Ok(accepted);
    };
    let deadline = (Instant::now() + wait.duration()).min(began + LAST_POLL);
    let outcome = timeout_at(deadline, read_outcome(app, order_id)).await;
    let failure = outcome.ok().flatten().and_then(|view| view.failure);
    match failure {
        Some(failure) if failure.code == FailureCode::OutOfStock => {
            // The stock of the shop is not for its customers.
            let failure = match request.customer() {
                Some(_) => failure.for_customer(),
                None => failure,
            };
            Err(Problem::out_of_stock(order_id, failure.shortages, wait))
        }
        Some(failure) if failure.code == FailureCode::ReservationLimit => {
            Err(Problem::reservation_limit(order_id, wait))
        }
        Some(_) | None => Ok(accepted.with_applied_wait(Some(wait))),
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
