//! What one order answers to a read: its state, or that the caller has it already, or how it ended.

use chrono::Utc;

use crate::{App, state, wait};
use contract::{OrderView, Source};
use orderflow_http::{Call, ETag, Problem, Reply};

/// The order as `shown`. With `If-None-Match` only what the caller does not have yet, and with `Prefer: wait=N`
/// on top as soon as there is such a thing.
pub(crate) async fn state(
    app: &App,
    call: &Call,
    shown: fn(&OrderView) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let (order_id, reads, known) = (call.order_id()?, state::asked(app, call)?, call.known());
    // Without a state to compare with, whatever there is, is news.
    let wait = call.wait().filter(|_| known.is_some());
    let is_news = |view: &OrderView| {
        known
            .as_ref()
            .is_none_or(|known| !known.has(ETag(view.seq)))
    };
    let view = wait::until(app, &order_id, reads, wait, is_news).await?;
    let tag = ETag(view.seq);
    let reply = if is_news(&view) {
        shown(&view.read_at(Utc::now()))?.tagged(tag)
    } else {
        Reply::not_modified(tag)
    };
    Ok(reply.waited(wait))
}

/// How the order ended; with `Prefer: wait=N` as soon as it has.
pub(crate) async fn result(app: &App, call: &Call) -> Result<Reply, Problem> {
    let (order_id, reads, wait) = (call.order_id()?, state::asked(app, call)?, call.wait());
    let view = wait::until(app, &order_id, reads, wait, |view| !view.is_running).await?;
    let Some(result) = view.result_view() else {
        return Err(Problem::running(view.status, wait));
    };
    if result.source == Source::Temporal {
        // It has ended, and only a worker could tell why and with whose money.
        return Err(order_client::Error::NoWorker.into());
    }
    let tag = ETag(result.seq);
    let has_it = call.known().is_some_and(|known| known.has(tag));
    let reply = if has_it {
        Reply::not_modified(tag)
    } else {
        Reply::ok(&result)?.tagged(tag)
    };
    Ok(reply.waited(wait))
}
