//! What one order answers to a read: its state, or that the caller has it already, or how it ended.

use chrono::Utc;

use crate::{App, order_source, wait};
use contract::{OrderView, Source};
use orderflow_http::{ApiRequest, ApiResponse, ETag, Problem};

/// The order as `shown`. With `If-None-Match` only what the caller does not have yet, and with `Prefer: wait=N`
/// on top as soon as there is such a thing.
pub(crate) async fn order_response(
    app: &App,
    call: &ApiRequest,
    shown: fn(&OrderView) -> Result<ApiResponse, Problem>,
) -> Result<ApiResponse, Problem> {
    let (order_id, reads, known) = (
        call.order_id()?,
        order_source::requested_source(app, call)?,
        call.if_none_match(),
    );
    // Without a state to compare with, whatever there is, is news.
    let wait = call.preferred_wait().filter(|_| known.is_some());
    let is_news = |view: &OrderView| {
        known
            .as_ref()
            .is_none_or(|known| !known.matches(ETag(view.seq)))
    };
    let view = wait::wait_until(app, &order_id, reads, wait, is_news).await?;
    let tag = ETag(view.seq);
    let reply = if is_news(&view) {
        shown(&view.as_of(Utc::now()))?.with_etag(tag)
    } else {
        ApiResponse::not_modified(tag)
    };
    Ok(reply.with_applied_wait(wait))
}

/// How the order ended; with `Prefer: wait=N` as soon as it has.
pub(crate) async fn result_response(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let (order_id, reads, wait) = (
        call.order_id()?,
        order_source::requested_source(app, call)?,
        call.preferred_wait(),
    );
    let view = wait::wait_until(app, &order_id, reads, wait, |view| !view.is_running).await?;
    let Some(result) = view.result_view() else {
        return Err(Problem::order_running(view.status, wait));
    };
    if result.source == Source::Temporal {
        // It has ended, and only a worker could tell why and with whose money.
        return Err(order_client::Error::NoWorker.into());
    }
    let tag = ETag(result.seq);
    let has_it = call.if_none_match().is_some_and(|known| known.matches(tag));
    let reply = if has_it {
        ApiResponse::not_modified(tag)
    } else {
        ApiResponse::ok(&result)?.with_etag(tag)
    };
    Ok(reply.with_applied_wait(wait))
}
