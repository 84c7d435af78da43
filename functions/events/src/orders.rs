//! `GET /orders`: a paginated list of orders, newest first.

use chrono::{DateTime, Utc};
use lambda_http::http::header;
use serde::Serialize;

use crate::app::App;
use contract::OrderView;
use domain::{CustomerId, OrderStatus, parse_time};
use orderflow_http::{ApiRequest, ApiResponse, PageCursor, Problem, QueryParameters, next_link};
use store::orders::{Cursor, ListFilter};

/// The body of `GET /orders`.
#[derive(Debug, Serialize)]
pub struct OrderList {
    pub orders: Vec<OrderView>,
}

pub(crate) async fn list_orders(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let filter = parse_filter(request)?;
    // A customer's caller sees no other customer: a list of another customer's orders is empty.
    let own_id = request.customer().map(CustomerId::as_str);
    if own_id.is_some() && filter.customer_id.as_deref() != own_id {
        return ApiResponse::ok(&OrderList { orders: Vec::new() });
    }
    // One more order than requested shows whether a next page exists.
    let more = ListFilter {
        limit: filter.limit + 1,
        ..filter.clone()
    };
    let mut orders = store::orders::list(&app.database.pool().await?, &more).await?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let is_last = orders.len() <= limit;
    orders.truncate(limit);
    let last = orders.last().filter(|_| !is_last);
    let next = last.map(|last| PageCursor {
        created_at: last.created_at,
        id: last.order_id.clone(),
    });
    let now = Utc::now();
    let response = ApiResponse::ok(&OrderList {
        orders: orders.into_iter().map(|order| order.as_of(now)).collect(),
    })?;
    Ok(match next {
        Some(next) => response.with_header(header::LINK, next_page_link(request, &filter, &next)),
        None => response,
    })
}

fn parse_filter(request: &ApiRequest) -> Result<ListFilter, Problem> {
    const TIME: &str = "must be a time such as 2026-11-21T00:00:00Z";
    let mut parameters = QueryParameters::new(request);
    let names: Vec<_> = OrderStatus::ALL
        .iter()
        .map(|status| status.as_str())
        .collect();
    let status = parameters.parse(
        "status",
        &format!("must be one of {}", names.join(", ")),
        OrderStatus::parse,
    );
    let customer_id = parameters.parse("customer_id", "must be a customer id", |text| {
        CustomerId::parse(text).ok()
    });
    let created_after = parameters.parse("created_after", TIME, parse_timestamp);
    let created_before = parameters.parse("created_before", TIME, parse_timestamp);
    let source = "must be database: lists have no other source";
    parameters.parse("source", source, |text| (text == "database").then_some(()));
    let page = parameters.parse(
        "cursor",
        "must be the cursor of a previous page's Link header",
        PageCursor::decode,
    );
    let limit = parameters.parse_limit();
    parameters.finish()?;
    Ok(ListFilter {
        status,
        customer_id: customer_id
            .or_else(|| request.customer().cloned())
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

fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    // A plus sign that the client did not escape arrives as a space.
    parse_time(&text.replace(' ', "+"))
}

fn next_page_link(request: &ApiRequest, filter: &ListFilter, next: &PageCursor) -> String {
    let sent = |name| request.query_parameter(name).map(str::to_owned);
    let parameters = [
        ("status", sent("status")),
        ("customer_id", sent("customer_id")),
        (
            "created_after",
            filter.created_after.map(|time| time.to_rfc3339()),
        ),
        (
            "created_before",
            filter.created_before.map(|time| time.to_rfc3339()),
        ),
        ("limit", sent("limit")),
        ("source", sent("source")),
        ("cursor", Some(next.encode())),
    ];
    next_link("/orders", &parameters)
}
