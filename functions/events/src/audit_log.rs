//! `GET /orders/{id}/events`: the audit trail, oldest first.

use lambda_http::http::header;
use serde::Serialize;

use crate::{App, app::database_problem};
use domain::{AuditEvent, OrderId};
use order_client::Error;
use orderflow_http::{
    ApiRequest, ApiResponse, ETag, LongPoll, Problem, QueryParameters, Wait, next_link,
};

/// What `GET /orders/{id}/events` answers.
#[derive(Debug, Serialize)]
pub struct AuditLog {
    pub events: Vec<AuditEvent>,
}

/// Which part of the trail.
struct Asked {
    after: u32,
    limit: u32,
    source: Option<&'static str>,
}

impl Asked {
    fn read(call: &ApiRequest) -> Result<Self, Problem> {
        let mut parameters = QueryParameters::new(call);
        let after = parameters.parse("after", "must be a seq, a whole number from 0", |text| {
            text.parse::<u32>().ok()
        });
        let limit = parameters.parse_limit();
        // The parameter of the other reads. A workflow does not keep the trail.
        let only = "must be database: the trail is nowhere else";
        let source = parameters.parse("source", only, |text| {
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
    call: &ApiRequest,
) -> Result<ApiResponse, Problem> {
    let (order_id, asked, known) = (call.order_id()?, Asked::read(call)?, call.if_none_match());
    let wait = call.preferred_wait().filter(|_| known.is_some());
    let is_news = |tag: ETag| known.as_ref().is_none_or(|known| !known.matches(tag));
    let tag = until(app, &order_id, wait, is_news).await?;
    if !is_news(tag) {
        return Ok(ApiResponse::not_modified(tag).with_applied_wait(wait));
    }
    Ok(page(app, &order_id, &asked, tag)
        .await?
        .with_etag(tag)
        .with_applied_wait(wait))
}

/// The end of the trail, as soon as it is news or the wait is over. It is looked at before the entries are, so a
/// page may have more than its tag says, never less.
async fn until(
    app: &App,
    order_id: &OrderId,
    wait: Option<Wait>,
    is_news: impl Fn(ETag) -> bool,
) -> Result<ETag, Problem> {
    let glances = LongPoll::new(wait);
    let mut tag = last(app, order_id).await?;
    while !is_news(tag) && glances.pause().await {
        // What can't be read just now could be read a moment ago: that still holds, until the wait is over.
        if let Ok(Some(seq)) =
            store::orders::read_last_seq(app.database.pool().await, order_id).await
        {
            tag = ETag(seq);
        }
    }
    Ok(tag)
}

/// An order that was started and not received yet has no entry.
async fn last(app: &App, order_id: &OrderId) -> Result<ETag, Problem> {
    if let Some(seq) = store::orders::read_last_seq(app.database.pool().await, order_id)
        .await
        .map_err(database_problem)?
    {
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

async fn page(
    app: &App,
    order_id: &OrderId,
    asked: &Asked,
    end: ETag,
) -> Result<ApiResponse, Problem> {
    // One more than asked for tells whether there is a next page.
    let found = store::audit_events::list(
        app.database.pool().await,
        order_id,
        asked.after,
        asked.limit + 1,
    )
    .await
    .map_err(database_problem)?;
    let mut events = found.unwrap_or_default();
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let is_cut = events.len() > limit;
    events.truncate(limit);
    // Entries of a newer release's kind are left out, so a short page need not be the last.
    let last = events
        .last()
        .map(|event| event.seq)
        .filter(|seq| is_cut || *seq < end.0);
    let reply = ApiResponse::ok(&AuditLog { events })?;
    let Some(last) = last else { return Ok(reply) };
    let parameters = [
        ("after", Some(last.to_string())),
        ("limit", Some(asked.limit.to_string())),
        ("source", asked.source.map(str::to_owned)),
    ];
    Ok(reply.with_header(
        header::LINK,
        next_link(&format!("/orders/{order_id}/events"), &parameters),
    ))
}
