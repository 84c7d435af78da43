//! Waiting for an order on a caller's behalf.
//!
//! A query can't wait, and Temporal's own long poll would fetch the history each time. So the row is glanced at,
//! a primary key and one number, and the order is read only when that moved; now and then it is read all the same,
//! for what the workflow knows and has not written yet, or when the database is away. A function is paid for as long
//! as it waits: a caller's wait has a limit, and where the caller's leaving can be seen (the local gateway) it ends it.

use tokio::time::timeout_at;

use crate::{App, app::ReadSource, order_source::read_order};
use contract::OrderView;
use domain::OrderId;
use orderflow_http::{LongPoll, Problem, Wait};

/// Every so many glances the order is read, whatever the row says.
const THOROUGH: u32 = 4;

/// Reads the order until it is `enough` or the wait is over, and tells what was seen last.
pub(crate) async fn wait_until(
    app: &App,
    order_id: &OrderId,
    reads: ReadSource,
    wait: Option<Wait>,
    enough: impl Fn(&OrderView) -> bool,
) -> Result<OrderView, Problem> {
    let glances = LongPoll::new(wait);
    let mut view = read_order(app, order_id, reads).await?;
    let mut count = 0;
    while !enough(&view) && glances.pause().await {
        count += 1;
        let look = async {
            let moved =
                match store::orders::read_last_seq(app.database.pool().await, order_id).await {
                    // A row behind what the workflow said is no news.
                    Ok(seq) => seq.is_some_and(|seq| seq > view.seq),
                    Err(_) => true,
                };
            if moved || count % THOROUGH == 0 {
                Some(read_order(app, order_id, reads).await)
            } else {
                None
            }
        };
        // What can't be read just now could be read a moment ago: that still holds, until the wait is over.
        if let Ok(Some(Ok(seen))) = timeout_at(glances.deadline(), look).await {
            view = seen;
        }
    }
    Ok(view)
}
