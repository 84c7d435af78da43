//! Responses to reads of one order: its state, its result, or 304.

use chrono::Utc;

use crate::{app::App, order_source, wait};
use contract::{OrderView, Source};
use orderflow_http::{ApiRequest, ApiResponse, ETag, Problem};

/// Returns the order's state as `to_response` presents it.
///
/// With `If-None-Match`, a state that the caller has cached is 304. With `Prefer: wait=N` in
/// addition, the response waits for a new state.
pub(crate) async fn order_response(
    app: &App,
    request: &ApiRequest,
    to_response: fn(&OrderView) -> Result<ApiResponse, Problem>,
) -> Result<ApiResponse, Problem> {
    let (order_id, source, cached) = (
        request.order_id()?,
        order_source::requested_source(app, request)?,
        request.if_none_match(),
    );
    // Without a cached state every state is new, so there is no reason to wait.
    let wait = request
        .preferred_wait()
        .filter(|_| app.long_polling && cached.is_some());
    let is_new = |view: &OrderView| {
        cached
            .as_ref()
            .is_none_or(|cached| !cached.matches(ETag(view.seq)))
    };
    let view = wait::wait_until(app, &order_id, source, wait, is_new).await?;
    let tag = ETag(view.seq);
    let response = if is_new(&view) {
        to_response(&view_for(request, view).as_of(Utc::now()))?.with_etag(tag)
    } else {
        ApiResponse::not_modified(tag)
    };
    Ok(response.with_applied_wait(wait))
}

/// Returns the view for the caller of the request.
fn view_for(request: &ApiRequest, view: OrderView) -> OrderView {
    match request.customer() {
        Some(_) => view.for_customer(),
        None => view,
    }
}

/// Returns the order's result; with `Prefer: wait=N` the response waits for the order's end.
pub(crate) async fn result_response(
    app: &App,
    request: &ApiRequest,
) -> Result<ApiResponse, Problem> {
    let (order_id, source, wait) = (
        request.order_id()?,
        order_source::requested_source(app, request)?,
        request.preferred_wait().filter(|_| app.long_polling),
    );
    let view = wait::wait_until(app, &order_id, source, wait, |view| !view.is_running).await?;
    let view = view_for(request, view);
    let Some(result) = view.result_view() else {
        return Err(Problem::order_running(view.status, wait));
    };
    if result.source == Source::Temporal {
        // The order has ended, but only a worker could read the reason and the payment.
        return Err(order_client::Error::NoWorker.into());
    }
    let tag = ETag(result.seq);
    let is_cached = request
        .if_none_match()
        .is_some_and(|cached| cached.matches(tag));
    let response = if is_cached {
        ApiResponse::not_modified(tag)
    } else {
        ApiResponse::ok(&result)?.with_etag(tag)
    };
    Ok(response.with_applied_wait(wait))
}
