//! The long poll for a change of one order.
//!
//! A workflow query cannot wait, and Temporal's long poll would fetch the whole history. Therefore
//! each poll reads the projection's `seq`, one number by primary key, and the order itself only if
//! `seq` has changed. Every fourth poll reads the order in any case, because the workflow can be
//! ahead of the projection and the database can be unavailable.
//!
//! Lambda bills the time of a wait, so the wait is limited. In the local gateway a wait also ends
//! when the client disconnects.

use tokio::time::timeout_at;

use crate::{
    app::{App, ReadSource},
    order_source::read_order,
};
use contract::OrderView;
use domain::OrderId;
use orderflow_http::{LongPoll, Problem, Wait};

/// Number of polls after which the order is read even if its projection has not changed.
const POLLS_PER_FULL_READ: u32 = 4;

/// Reads the order until `is_done` accepts it or the wait is over, and returns the last state.
pub(crate) async fn wait_until(
    app: &App,
    order_id: &OrderId,
    source: ReadSource,
    wait: Option<Wait>,
    is_done: impl Fn(&OrderView) -> bool,
) -> Result<OrderView, Problem> {
    let poll = LongPoll::new(wait);
    let mut view = read_order(app, order_id, source).await?;
    let mut polls = 0;
    while !is_done(&view) && poll.pause().await {
        polls += 1;
        let check = async {
            let has_changed = match read_last_seq(app, order_id).await {
                // A projection that is behind the workflow is not a change.
                Ok(seq) => seq.is_some_and(|seq| seq > view.seq),
                Err(_) => true,
            };
            if has_changed || polls % POLLS_PER_FULL_READ == 0 {
                Some(read_order(app, order_id, source).await)
            } else {
                None
            }
        };
        // A failed read keeps the last state: the next poll can succeed.
        if let Ok(Some(Ok(latest))) = timeout_at(poll.deadline(), check).await {
            view = latest;
        }
    }
    Ok(view)
}

async fn read_last_seq(app: &App, order_id: &OrderId) -> Result<Option<u32>, store::Error> {
    store::orders::read_last_seq(&app.database.pool().await?, order_id).await
}
