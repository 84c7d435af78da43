//! `GET /orders`: the newest first, page by page.

use chrono::{DateTime, Utc};
use lambda_http::http::header;
use serde::Serialize;

use crate::{App, app::database_problem};
use contract::OrderView;
use domain::{CustomerId, OrderStatus, parse_time};
use orderflow_http::{ApiRequest, ApiResponse, PageCursor, Problem, QueryParameters, next_link};
use store::orders::{Cursor, ListFilter};

/// What `GET /orders` answers.
#[derive(Debug, Serialize)]
pub struct OrderList {
    pub orders: Vec<OrderView>,
}

pub(crate) async fn list_orders(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let filter = filter(call)?;
    // To a customer there are no others: a list of their orders is empty.
    let mine = call.customer().map(CustomerId::as_str);
    if mine.is_some() && filter.customer_id.as_deref() != mine {
        return ApiResponse::ok(&OrderList { orders: Vec::new() });
    }
    // One more than asked for tells whether there is a next page.
    let more = ListFilter {
        limit: filter.limit + 1,
        ..filter.clone()
    };
    let mut orders = store::orders::list(app.database.pool().await, &more)
        .await
        .map_err(database_problem)?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let is_last = orders.len() <= limit;
    orders.truncate(limit);
    let last = orders.last().filter(|_| !is_last);
    let next = last.map(|last| PageCursor {
        created_at: last.created_at,
        id: last.order_id.clone(),
    });
    let now = Utc::now();
    let reply = ApiResponse::ok(&OrderList {
        orders: orders.into_iter().map(|order| order.as_of(now)).collect(),
    })?;
    Ok(match next {
        Some(next) => reply.with_header(header::LINK, link(call, &filter, &next)),
        None => reply,
    })
}

fn filter(call: &ApiRequest) -> Result<ListFilter, Problem> {
    const TIME: &str = "must be a time such as 2026-11-21T00:00:00Z";
    let mut parameters = QueryParameters::new(call);
    let names: Vec<_> = OrderStatus::ALL
        .iter()
        .map(|status| status.as_str())
        .collect();
    let status = parameters.parse(
        "status",
        &format!("must be one of {}", names.join(", ")),
        OrderStatus::parse,
    );
    let customer_id = parameters.parse("customer_id", "must be a customer's id", |text| {
        CustomerId::parse(text).ok()
    });
    let created_after = parameters.parse("created_after", TIME, time);
    let created_before = parameters.parse("created_before", TIME, time);
    let source = "must be database: lists come from nowhere else";
    parameters.parse("source", source, |text| (text == "database").then_some(()));
    let page = parameters.parse(
        "cursor",
        "must be taken from the Link of the page before",
        PageCursor::decode,
    );
    let limit = parameters.parse_limit();
    parameters.finish()?;
    Ok(ListFilter {
        status,
        customer_id: customer_id
            .or_else(|| call.customer().cloned())
            .map(|id| id.to_string()),
        created_after,
        created_before,
        cursor: page.map(|page| Cursor {
            created_at: page.created_at,
            order_id: page.id.to_string(),
        }),
        limit,
    })
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    // A plus sign that nobody escaped arrives as a space.
    parse_time(&text.replace(' ', "+"))
}

fn link(call: &ApiRequest, filter: &ListFilter, next: &PageCursor) -> String {
    let given = |name| call.query_parameter(name).map(str::to_owned);
    let parameters = [
        ("status", given("status")),
        ("customer_id", given("customer_id")),
        (
            "created_after",
            filter.created_after.map(|time| time.to_rfc3339()),
        ),
        (
            "created_before",
            filter.created_before.map(|time| time.to_rfc3339()),
        ),
        ("limit", given("limit")),
        ("source", given("source")),
        ("cursor", Some(next.encode())),
    ];
    next_link("/orders", &parameters)
}
