//! `GET /orders`: a paginated list of orders, as JSON or as CSV.

use std::ops::ControlFlow;

use chrono::Utc;
use lambda_http::http::header;
use serde::Serialize;

use crate::{
    app::App,
    order_table::{DEFAULT_ROWS, MAX_ROWS, OrderTable},
    time_filter::{TIME, parse_time_filter},
};
use contract::{OrderAttention, OrderSort, OrderView};
use domain::{CustomerId, OrderStatus};
use orderflow_http::{
    ApiRequest, ApiResponse, DEFAULT_LIMIT, MAX_LIMIT, PageCursor, Problem, QueryParameters,
    next_link,
};
use store::orders::{Cursor, ListFilter, ListedOrder, MAX_MATCHES};

/// The longest text of a search, in characters.
const MAX_SEARCH_LENGTH: usize = 200;

/// The body of `GET /orders`.
#[derive(Debug, Serialize)]
pub struct OrderList {
    pub orders: Vec<OrderView>,
}

pub(crate) async fn list_orders(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let filter = parse_filter(app, request)?;
    let response = if request.prefers_csv() {
        table_response(app, request, &filter).await
    } else {
        json_response(app, request, &filter).await
    };
    // A cache must not return one media type to a caller of the other.
    Ok(response?.with_header(header::VARY, "Accept".to_owned()))
}

async fn json_response(
    app: &App,
    request: &ApiRequest,
    filter: &ListFilter,
) -> Result<ApiResponse, Problem> {
    let (mut orders, now) = (Vec::new(), Utc::now());
    let next = visit_page(app, request, filter, |order| {
        orders.push(order.as_of(now));
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let response = ApiResponse::ok(&OrderList { orders })?;
    Ok(with_next_page(response, request, next))
}

async fn table_response(
    app: &App,
    request: &ApiRequest,
    filter: &ListFilter,
) -> Result<ApiResponse, Problem> {
    let (mut table, now) = (OrderTable::new()?, Utc::now());
    let next = visit_page(app, request, filter, |order| {
        table.push(&order.as_of(now))?;
        Ok(if table.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
    .await?;
    let response = ApiResponse::csv("orders.csv", table.finish()?);
    Ok(with_next_page(response, request, next))
}

/// Returns the order for the caller of the request.
fn view_for(request: &ApiRequest, order: OrderView) -> OrderView {
    match request.customer() {
        Some(_) => order.for_customer(),
        None => order,
    }
}

/// Passes the orders of the page on to `visit`. Returns the cursor of the next page, if there is
/// one.
async fn visit_page(
    app: &App,
    request: &ApiRequest,
    filter: &ListFilter,
    mut visit: impl FnMut(OrderView) -> Result<ControlFlow<()>, Problem>,
) -> Result<Option<PageCursor>, Problem> {
    if !is_visible(request, filter) {
        return Ok(None);
    }
    let pool = &app.database.pool().await?;
    let Some(matches) = store::orders::find_matches(pool, filter).await? else {
        return Err(too_many_matches(filter));
    };
    // One more order than requested shows whether a next page exists.
    let more = ListFilter {
        limit: filter.limit + 1,
        ..filter.clone()
    };
    let (mut count, mut is_last) = (0, true);
    let mut last = None;
    let mut failure = None;
    let mut is_full = false;
    store::orders::visit(pool, &more, &matches, |ListedOrder { order, time }| {
        if count == filter.limit || is_full {
            is_last = false;
            return ControlFlow::Break(());
        }
        count += 1;
        last = Some(PageCursor {
            sort: filter.sort,
            time,
            id: order.order_id.clone(),
        });
        match visit(view_for(request, order)) {
            Ok(flow) => {
                is_full = flow.is_break();
                ControlFlow::Continue(())
            }
            Err(problem) => {
                failure = Some(problem);
                ControlFlow::Break(())
            }
        }
    })
    .await?;
    match failure {
        Some(problem) => Err(problem),
        None => Ok(last.filter(|_| !is_last)),
    }
}

/// Returns whether the caller can see any order of the list. A customer's caller sees no other
/// customer: a list of another customer's orders is empty. So is the work list, which is for
/// operators.
fn is_visible(request: &ApiRequest, filter: &ListFilter) -> bool {
    request.customer().is_none_or(|own_id| {
        filter.customer_id.as_deref() == Some(own_id.as_str())
            && filter.attention != Some(OrderAttention::Money)
    })
}

fn too_many_matches(filter: &ListFilter) -> Problem {
    match filter.search {
        Some(_) => {
            let detail = format!("must match at most {MAX_MATCHES} orders; write more of the text");
            Problem::invalid_list("q", &detail)
        }
        None => {
            let detail = format!(
                "must select at most {MAX_MATCHES} orders; read the work list of /payments/attention"
            );
            Problem::invalid_list("attention", &detail)
        }
    }
}

fn parse_filter(app: &App, request: &ApiRequest) -> Result<ListFilter, Problem> {
    let mut parameters = QueryParameters::new(request);
    let statuses = parameters.parse_list(
        "status",
        &format!("must be one or more of {}", names(OrderStatus::ALL)),
        OrderStatus::parse,
    );
    let customer_id = parameters.parse("customer_id", "must be a customer id", |text| {
        CustomerId::parse(text).ok()
    });
    let email = parameters.parse("email", "must be an e-mail address", parse_email);
    let external_reference = parameters.parse(
        "external_reference",
        &format!("must be a text of 1 to {MAX_SEARCH_LENGTH} characters"),
        parse_search,
    );
    let created_after = parameters.parse("created_after", TIME, parse_time_filter);
    let created_before = parameters.parse("created_before", TIME, parse_time_filter);
    let updated_after = parameters.parse("updated_after", TIME, parse_time_filter);
    let updated_before = parameters.parse("updated_before", TIME, parse_time_filter);
    let search = parameters.parse(
        "q",
        &format!("must be a text of 1 to {MAX_SEARCH_LENGTH} characters"),
        parse_search,
    );
    let attention = parameters.parse(
        "attention",
        &format!("must be one of {}", names(OrderAttention::ALL)),
        OrderAttention::parse,
    );
    let sort = parameters.parse(
        "sort",
        &format!("must be one of {}", names(OrderSort::ALL)),
        OrderSort::parse,
    );
    let sort = sort.unwrap_or_default();
    let source = "must be database: lists have no other source";
    parameters.parse("source", source, |text| (text == "database").then_some(()));
    let page = parameters.parse(
        "cursor",
        "must be the cursor of a previous page's Link header",
        PageCursor::decode,
    );
    if page.as_ref().is_some_and(|page| page.sort != sort) {
        parameters.reject("cursor", "must be of a list with the same sort");
    }
    let limit = if request.prefers_csv() {
        parameters
            .parse_limit_up_to(MAX_ROWS)
            .unwrap_or(DEFAULT_ROWS)
    } else {
        parameters
            .parse_limit_up_to(MAX_LIMIT)
            .unwrap_or(DEFAULT_LIMIT)
    };
    parameters.finish()?;
    Ok(ListFilter {
        statuses,
        customer_id: customer_id
            .or_else(|| request.customer().cloned())
            .map(|id| id.to_string()),
        email,
        external_reference,
        created_after,
        created_before,
        updated_after,
        updated_before,
        search,
        attention,
        stalled_after: app.stalled_after,
        sort,
        cursor: page.map(|page| Cursor {
            time: page.time,
            order_id: page.id.to_string(),
        }),
        limit,
    })
}

fn names<T: ToString>(values: &[T]) -> String {
    let names: Vec<_> = values.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn parse_email(text: &str) -> Option<String> {
    let is_address = text.contains('@')
        && text.len() <= 254
        && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    is_address.then(|| text.to_owned())
}

fn parse_search(text: &str) -> Option<String> {
    let text = text.trim();
    let is_search = !text.is_empty()
        && text.chars().count() <= MAX_SEARCH_LENGTH
        && !text.contains(char::is_control);
    is_search.then(|| text.to_owned())
}

/// Adds the link to the next page, which keeps every parameter as the caller sent it. So the API
/// reads it in the same way.
fn with_next_page(
    response: ApiResponse,
    request: &ApiRequest,
    next: Option<PageCursor>,
) -> ApiResponse {
    const KEPT: [&str; 13] = [
        "status",
        "customer_id",
        "email",
        "external_reference",
        "created_after",
        "created_before",
        "updated_after",
        "updated_before",
        "q",
        "attention",
        "sort",
        "limit",
        "source",
    ];
    let Some(next) = next else {
        return response;
    };
    let mut parameters: Vec<(&str, Option<String>)> = KEPT
        .into_iter()
        .flat_map(|name| {
            let values = request.query_values(name).into_iter();
            values.map(move |value| (name, Some(value.to_owned())))
        })
        .collect();
    parameters.push(("cursor", Some(next.encode())));
    response.with_header(header::LINK, next_link("/orders", &parameters))
}
