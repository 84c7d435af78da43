//! `GET /orders/{id}/events`: an order's audit log, oldest audit event first.

use lambda_http::http::header;
use serde::Serialize;

use crate::app::App;
use contract::{AuditEventView, audit_event_for_customer};
use domain::OrderId;
use order_client::Error;
use orderflow_http::{
    ApiRequest, ApiResponse, ETag, LongPoll, Problem, QueryParameters, Wait, next_link,
};

/// The body of `GET /orders/{id}/events`.
#[derive(Debug, Serialize)]
pub struct AuditLog {
    pub events: Vec<AuditEventView>,
}

/// The requested part of the audit log.
struct PageRequest {
    after: u32,
    limit: u32,
    source: Option<&'static str>,
}

impl PageRequest {
    fn from_query(request: &ApiRequest) -> Result<Self, Problem> {
        let mut parameters = QueryParameters::new(request);
        let after = parameters.parse(
            "after",
            "must be the seq of an audit event, a whole number from 0",
            |text| text.parse::<u32>().ok(),
        );
        let limit = parameters.parse_limit();
        // Other reads also accept `workflow`, but a workflow does not keep its audit log.
        let allowed = "must be database: only the database has the audit log";
        let source = parameters.parse("source", allowed, |text| {
            (text == "database").then_some("database")
        });
        parameters.finish()?;
        Ok(Self {
            after: after.unwrap_or(0),
            limit,
            source,
        })
    }
}

pub(crate) async fn list_audit_events(
    app: &App,
    request: &ApiRequest,
) -> Result<ApiResponse, Problem> {
    let (order_id, page_request, cached) = (
        request.order_id()?,
        PageRequest::from_query(request)?,
        request.if_none_match(),
    );
    let wait = request
        .preferred_wait()
        .filter(|_| app.long_polling && cached.is_some());
    let is_new = |tag: ETag| cached.as_ref().is_none_or(|cached| !cached.matches(tag));
    let tag = wait_for_new_tag(app, &order_id, wait, is_new).await?;
    if !is_new(tag) {
        return Ok(ApiResponse::not_modified(tag).with_applied_wait(wait));
    }
    let is_customer = request.customer().is_some();
    Ok(read_page(app, &order_id, &page_request, (tag, is_customer))
        .await?
        .with_etag(tag)
        .with_applied_wait(wait))
}

/// Returns the tag of the last audit event as soon as it is new or the wait is over.
///
/// The tag is read before the audit events, so a page can have more of them than its tag states,
/// never fewer.
async fn wait_for_new_tag(
    app: &App,
    order_id: &OrderId,
    wait: Option<Wait>,
    is_new: impl Fn(ETag) -> bool,
) -> Result<ETag, Problem> {
    let poll = LongPoll::new(wait);
    let mut tag = read_tag(app, order_id).await?;
    while !is_new(tag) && poll.pause().await {
        // A failed read keeps the last tag: the next poll can succeed.
        if let Ok(Some(seq)) = read_last_seq(app, order_id).await {
            tag = ETag(seq);
        }
    }
    Ok(tag)
}

async fn read_last_seq(app: &App, order_id: &OrderId) -> Result<Option<u32>, store::Error> {
    store::orders::read_last_seq(&app.database.pool().await?, order_id).await
}

/// Returns the tag of the last audit event, 0 for an order that no worker has received yet.
async fn read_tag(app: &App, order_id: &OrderId) -> Result<ETag, Problem> {
    if let Some(seq) = read_last_seq(app, order_id).await? {
        return Ok(ETag(seq));
    }
    match app.orders.describe_order(order_id).await {
        Ok(_) => Ok(ETag(0)),
        Err(Error::NotFound) => Err(Problem::order_not_found(order_id.as_str())),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
            Err(error.into())
        }
    }
}

async fn read_page(
    app: &App,
    order_id: &OrderId,
    page_request: &PageRequest,
    (end, is_customer): (ETag, bool),
) -> Result<ApiResponse, Problem> {
    // One more event than requested shows whether a next page exists.
    let found = store::audit_events::list(
        &app.database.pool().await?,
        order_id,
        page_request.after,
        page_request.limit + 1,
    )
    .await?;
    let found = found.unwrap_or_default();
    let mut events: Vec<AuditEventView> = found.into_iter().map(AuditEventView::from).collect();
    let limit = usize::try_from(page_request.limit).unwrap_or(usize::MAX);
    let is_cut = events.len() > limit;
    events.truncate(limit);
    // Kinds of audit events that only a newer release writes are omitted, so a short page is not
    // always the last one.
    let last = events
        .last()
        .map(|view| view.event.seq)
        .filter(|seq| is_cut || *seq < end.0);
    if is_customer {
        events = events.into_iter().map(audit_event_for_customer).collect();
    }
    let response = ApiResponse::ok(&AuditLog { events })?;
    let Some(last) = last else {
        return Ok(response);
    };
    let parameters = [
        ("after", Some(last.to_string())),
        ("limit", Some(page_request.limit.to_string())),
        ("source", page_request.source.map(str::to_owned)),
    ];
    Ok(response.with_header(
        header::LINK,
        next_link(&format!("/orders/{order_id}/events"), &parameters),
    ))
}
