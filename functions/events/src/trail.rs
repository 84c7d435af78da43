//! `GET /orders/{id}/events`: the audit trail, oldest first.

use crate::{App, app::failed};
use client::Error;
use domain::{AuditEvent, OrderId};
use lambda_http::http::header;
use orderflow_http::{Call, Parameters, Problem, Reply, next_link};
use serde::Serialize;

#[derive(Serialize)]
struct Answer<'a> {
    events: &'a [AuditEvent],
}

pub(crate) async fn list(app: &App, call: &Call) -> Result<Reply, Problem> {
    let order_id = call.order_id()?;
    let mut parameters = Parameters::of(call);
    let after = parameters.read("after", "must be a seq, a whole number from 0", |text| text.parse::<u32>().ok());
    let limit = parameters.limit();
    parameters.finish()?;
    // One more than asked for tells whether there is a next page.
    let found = store::events::list(&app.pool, &order_id, after.unwrap_or(0), limit + 1).await.map_err(failed)?;
    let Some(found) = found else { return without_row(app, &order_id).await };
    let shown = &found[..found.len().min(usize::try_from(limit).unwrap_or(usize::MAX))];
    let reply = Reply::ok(&Answer { events: shown })?;
    let Some(last) = shown.last().filter(|_| found.len() > shown.len()) else { return Ok(reply) };
    let parameters = [("after", Some(last.seq.to_string())), ("limit", Some(limit.to_string()))];
    Ok(reply.header(header::LINK, next_link(&format!("/orders/{order_id}/events"), &parameters)))
}

/// Started and not received yet, or unknown.
async fn without_row(app: &App, order_id: &OrderId) -> Result<Reply, Problem> {
    match app.orders.describe(order_id).await {
        Ok(_) => Reply::ok(&Answer { events: &[] }),
        Err(Error::NotFound) => Err(Problem::order_not_found(order_id.as_str())),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => Err(error.into()),
    }
}
