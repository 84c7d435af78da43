//! Lists of orders: filters, search, sort orders and pages.
//!
//! The statement is built for the filters of a list, so that each one has the index of its filter,
//! whatever the others are. `tests/system/order_lists.rs` compares the plans of the filters.

use std::{ops::ControlFlow, time::Duration};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::Row;
use crate::{Error, attention, error::SqlxResultExt};
use contract::{OrderAttention, OrderSort, OrderView};
use domain::OrderStatus;

/// The largest number of orders that a search or the work list can pass on to a list.
pub const MAX_MATCHES: u32 = 5_000;

/// The words by which an order is found. The index `orders_words` has the same expression.
const WORDS: &str = "array_to_tsvector(array_remove(string_to_array(lower(orders.id || ' ' || \
     coalesce(customer_json ->> 'email', '') || ' ' || coalesce(customer_json ->> 'name', '')), ' '), ''))";

const COLUMNS: &str = "id, state, step, is_running, customer_id, customer_json, items_json, address_json, \
     orders.currency, total_amount, details_json, hold_json, payment_json, shipment_json, estimated_delivery, cancellation_reason, failure_json, \
     retries_json, review, waiting_json, last_seq, orders.created_at, orders.updated_at";

/// The last order of a page. The next page begins after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The time by which the list is sorted.
    pub time: DateTime<Utc>,
    pub order_id: String,
}

/// A filter for [`list`], and the size of a page.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Orders with any of these statuses; empty for all.
    pub statuses: Vec<OrderStatus>,
    pub customer_id: Option<String>,
    /// The customer's e-mail address, without regard to case.
    pub email: Option<String>,
    /// The order's name in another system, without regard to case.
    pub external_reference: Option<String>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    /// Bounds of the time of the last audit event.
    pub updated_after: Option<DateTime<Utc>>,
    pub updated_before: Option<DateTime<Utc>>,
    /// Text that is the beginning of a word of the order.
    pub search: Option<String>,
    pub attention: Option<OrderAttention>,
    /// The time without progress after which an order is stalled.
    pub stalled_after: Duration,
    pub sort: OrderSort,
    pub cursor: Option<Cursor>,
    pub limit: u32,
}

impl ListFilter {
    /// Returns the text of a search in all orders.
    fn whole_search(&self) -> Option<&str> {
        self.search
            .as_deref()
            .filter(|_| self.customer_id.is_none())
    }

    /// Returns the text of a search in the orders of one customer, which are few.
    fn search_of_customer(&self) -> Option<&str> {
        self.search
            .as_deref()
            .filter(|_| self.customer_id.is_some())
    }
}

/// An order of a list, with the time by which the list is sorted.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedOrder {
    pub order: OrderView,
    pub time: DateTime<Utc>,
}

/// The orders that a search or the work list has found, before the other filters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matches {
    /// `None` if any order can be in the list.
    ids: Option<Vec<String>>,
}

/// Finds the orders that the parts of `filter` name which other tables have too: the search, and
/// money that needs a person. Returns `None` if they are more than [`MAX_MATCHES`].
#[tracing::instrument(name = "store.orders.find_matches", skip_all)]
pub async fn find_matches(pool: &PgPool, filter: &ListFilter) -> Result<Option<Matches>, Error> {
    let mut found: Option<Vec<String>> = None;
    if let Some(text) = filter.whole_search() {
        found = Some(search_orders(pool, text).await?);
    }
    if filter.attention == Some(OrderAttention::Money) {
        let listed = attention::list_order_ids(pool, MAX_MATCHES + 1).await?;
        if is_too_long(&listed) {
            return Ok(None);
        }
        found = Some(match found {
            Some(found) => found.into_iter().filter(|id| listed.contains(id)).collect(),
            None => listed,
        });
    }
    if found.as_ref().is_some_and(|found| is_too_long(found)) {
        return Ok(None);
    }
    Ok(Some(Matches { ids: found }))
}

fn is_too_long(ids: &[String]) -> bool {
    u32::try_from(ids.len()).map_or(true, |length| length > MAX_MATCHES)
}

/// Returns the orders of which each word of `text` begins a word of the id, the e-mail address or
/// the name, or of which `text` begins a transaction id or a tracking number.
async fn search_orders(pool: &PgPool, text: &str) -> Result<Vec<String>, Error> {
    // The values decide about the plan, so no plan is kept.
    let rows = search_statement("", text)
        .build_query_scalar::<String>()
        .persistent(false)
        .fetch_all(pool)
        .await;
    let mut ids = rows.for_operation("search orders")?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Returns the statement of a search, after `prefix`.
fn search_statement(prefix: &str, text: &str) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(format!("{prefix}(select id from orders where "));
    push_words(&mut query, text, WordMatch::Beginning);
    let limit = i64::from(MAX_MATCHES) + 1;
    query.push(" limit ").push_bind(limit).push(")");
    for (id, table, column, condition) in [
        (
            "order_id",
            "payments",
            "transaction_id",
            " and order_id is not null",
        ),
        ("order_id", "shipments", "tracking_number", ""),
        ("id", "orders", "external_reference", ""),
    ] {
        query.push(format!(
            " union all (select {id} from {table} where {column} is not null{condition} and lower({column}) like "
        ));
        push_beginning(&mut query, text);
        query.push(" limit ").push_bind(limit).push(")");
    }
    query
}

/// How a word of a search matches a word of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WordMatch {
    Whole,
    Beginning,
}

/// Appends the condition that the order has each word of `text`.
fn push_words(query: &mut QueryBuilder<Postgres>, text: &str, matched: WordMatch) {
    query.push(WORDS).push(" @@ lower(");
    query.push_bind(text_search_query(text, matched));
    query.push(")::tsquery");
}

/// Returns the words as PostgreSQL writes a `tsquery`.
fn text_search_query(text: &str, matched: WordMatch) -> String {
    let mark = match matched {
        WordMatch::Whole => "",
        WordMatch::Beginning => ":*",
    };
    let quoted = |word: &str| {
        let word = word.replace('\\', "\\\\").replace('\'', "''");
        format!("'{word}'{mark}")
    };
    let words: Vec<_> = text.split_whitespace().map(quoted).collect();
    words.join(" & ")
}

/// Appends the pattern of texts that begin with `text`, in lower case.
fn push_beginning(query: &mut QueryBuilder<Postgres>, text: &str) {
    let escaped: String = text
        .trim()
        .chars()
        .flat_map(|character| match character {
            '%' | '_' | '\\' => vec!['\\', character],
            character => vec![character],
        })
        .collect();
    query.push("lower(").push_bind(escaped).push(") || '%'");
}

/// Reads one page of orders. `matches` is the result of [`find_matches`] for this filter.
pub async fn list(
    pool: &PgPool,
    filter: &ListFilter,
    matches: &Matches,
) -> Result<Vec<ListedOrder>, Error> {
    let mut listed = Vec::new();
    visit(pool, filter, matches, |order| {
        listed.push(order);
        ControlFlow::Continue(())
    })
    .await?;
    Ok(listed)
}

/// Reads one page of orders and passes them on one by one, until `visit` breaks.
#[tracing::instrument(name = "store.orders.list", skip_all)]
pub async fn visit(
    pool: &PgPool,
    filter: &ListFilter,
    matches: &Matches,
    mut visit: impl FnMut(ListedOrder) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut query = ListQuery::new("", filter, matches).build();
    // The values decide about the plan, so no plan is kept.
    let mut rows = query
        .build_query_as::<ListedRow>()
        .persistent(false)
        .fetch(pool);
    while let Some(row) = rows.try_next().await.for_operation("list orders")? {
        let time = row.sort_time;
        let order = row.row.view()?;
        if visit(ListedOrder { order, time }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns the plans of the statements of a list, so that a test can look for its indexes.
pub async fn explain(pool: &PgPool, filter: &ListFilter) -> Result<String, Error> {
    const EXPLAIN: &str = "explain ";
    let mut statements = Vec::new();
    if let Some(text) = filter.whole_search() {
        statements.push(search_statement(EXPLAIN, text));
    }
    let matches = find_matches(pool, filter).await?.unwrap_or_default();
    statements.push(ListQuery::new(EXPLAIN, filter, &matches).build());
    let mut plan = String::new();
    for mut statement in statements {
        let lines = statement
            .build_query_scalar::<String>()
            .persistent(false)
            .fetch_all(pool)
            .await;
        for line in lines.for_operation("explain a list of orders")? {
            plan.push_str(&line);
            plan.push('\n');
        }
    }
    Ok(plan)
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    row: Row,
    sort_time: DateTime<Utc>,
}

/// Builds the statement of a list. Only constants of this file are appended as text.
struct ListQuery<'a> {
    filter: &'a ListFilter,
    matches: &'a Matches,
    query: QueryBuilder<Postgres>,
}

impl<'a> ListQuery<'a> {
    /// Begins the statement after `prefix`.
    fn new(prefix: &str, filter: &'a ListFilter, matches: &'a Matches) -> Self {
        let query = QueryBuilder::new(format!(
            "{prefix}select {COLUMNS}, ledger.captured, ledger.refunded, ledger.due, sort_time from ("
        ));
        Self {
            filter,
            matches,
            query,
        }
    }

    fn build(mut self) -> QueryBuilder<Postgres> {
        let filter = self.filter;
        if filter.statuses.len() > 1 && !filter.sort.is_by_change() {
            // The index of the status has each status in the order of the list.
            for (number, status) in filter.statuses.iter().enumerate() {
                self.query
                    .push(if number == 0 { "(" } else { " union all (" });
                self.push_page(std::slice::from_ref(status));
                self.query.push(")");
            }
        } else {
            self.push_page(&filter.statuses);
        }
        self.query.push(
            ") as orders left join lateral (
                select sum(captured)::bigint as captured, sum(refunded)::bigint as refunded, sum(due)::bigint as due
                from payments where order_id = orders.id and payments.currency = orders.currency
            ) as ledger on true order by sort_time",
        );
        let direction = self.direction();
        self.query
            .push(format!("{direction}, id{direction} limit "));
        self.query.push_bind(i64::from(filter.limit));
        self.query
    }

    fn direction(&self) -> &'static str {
        if self.filter.sort.is_descending() {
            " desc"
        } else {
            ""
        }
    }

    /// Appends one page of the orders with any of these statuses.
    fn push_page(&mut self, statuses: &[OrderStatus]) {
        let filter = self.filter;
        let (time, id) = if filter.sort.is_by_change() {
            ("changed.ts", "changed.order_id")
        } else {
            ("orders.created_at", "orders.id")
        };
        self.query
            .push(format!("select orders.*, {time} as sort_time from orders"));
        let has_bounds = filter.updated_after.is_some() || filter.updated_before.is_some();
        if has_bounds || filter.sort.is_by_change() {
            // The last audit event has the time of the last change.
            self.query.push(
                " join events as changed on changed.order_id = orders.id and changed.seq = orders.last_seq",
            );
        }
        self.query.push(" where true");
        self.push_conditions(statuses);
        if let Some(cursor) = &filter.cursor {
            let comparison = if filter.sort.is_descending() {
                "<"
            } else {
                ">"
            };
            self.query
                .push(format!(" and ({time}, {id}) {comparison} ("));
            self.query.push_bind(cursor.time).push(", ");
            self.query.push_bind(cursor.order_id.clone()).push(")");
        }
        let direction = self.direction();
        // The planner takes the orders with these values for evenly distributed. It would read the
        // list in its order, and read all of it if they are at the other end.
        let time = if self.is_selective(statuses) {
            format!("{time} + interval '0'")
        } else {
            time.to_owned()
        };
        self.query.push(format!(
            " order by {time}{direction}, {id}{direction} limit "
        ));
        self.query.push_bind(i64::from(filter.limit));
    }

    /// Returns whether the conditions select few orders, which are then sorted.
    fn is_selective(&self, statuses: &[OrderStatus]) -> bool {
        let filter = self.filter;
        let is_open = |status: &OrderStatus| match status {
            OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => true,
            OrderStatus::Shipped
            | OrderStatus::Delivered
            | OrderStatus::Cancelled
            | OrderStatus::Failed => false,
        };
        let has_few = filter.email.is_some()
            || filter.external_reference.is_some()
            || filter.attention.is_some()
            || self.matches.ids.is_some()
            || (!statuses.is_empty() && statuses.iter().all(is_open));
        if filter.sort.is_by_change() {
            has_few || filter.customer_id.is_some()
        } else {
            // The indexes of the customer and of the status have the order of the list.
            let is_by_index = filter.customer_id.is_some() || statuses.len() == 1;
            filter.updated_after.is_some() || (has_few && !is_by_index)
        }
    }

    fn push_conditions(&mut self, statuses: &[OrderStatus]) {
        let (filter, query) = (self.filter, &mut self.query);
        match statuses {
            [] => {}
            [status] => {
                query.push(" and state = ").push_bind(status.as_str());
            }
            statuses => {
                let names: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
                query.push(" and state = any(").push_bind(names).push(")");
            }
        }
        if let Some(customer) = &filter.customer_id {
            query
                .push(" and customer_id = ")
                .push_bind(customer.clone());
        }
        if let Some(reference) = &filter.external_reference {
            query
                .push(" and external_reference is not null and lower(external_reference) = lower(");
            query.push_bind(reference.clone()).push(")");
        }
        if let Some(email) = &filter.email {
            query.push(" and lower(customer_json ->> 'email') = lower(");
            query.push_bind(email.clone()).push(") and ");
            push_words(query, email, WordMatch::Whole);
        }
        // No order changes before its creation. A list of the newest orders then begins at this time.
        let created_before_change = filter
            .updated_before
            .filter(|_| !filter.sort.is_by_change());
        for (condition, time) in [
            (" and orders.created_at > ", filter.created_after),
            (" and orders.created_at < ", filter.created_before),
            (" and changed.ts > ", filter.updated_after),
            (" and changed.ts < ", filter.updated_before),
            (" and orders.created_at < ", created_before_change),
        ] {
            if let Some(time) = time {
                query.push(condition).push_bind(time);
            }
        }
        match filter.attention {
            Some(OrderAttention::Review) => {
                query.push(" and is_running and waiting_json ->> 'reason' = 'review'");
            }
            Some(OrderAttention::Hold) => {
                query.push(
                    " and is_running and (hold_json is not null or waiting_json ->> 'reason' in ('payment_hold', 'hold'))",
                );
            }
            Some(OrderAttention::Stalled) => {
                let seconds = filter.stalled_after.as_secs_f64();
                query.push(
                    " and is_running and coalesce(waiting_until, orders.created_at) < now() - make_interval(secs => ",
                );
                query.push_bind(seconds);
                query.push(") and orders.updated_at < now() - make_interval(secs => ");
                query.push_bind(seconds).push(")");
            }
            // The matches are these orders.
            Some(OrderAttention::Money) | None => {}
        }
        if let Some(ids) = &self.matches.ids {
            query.push(" and orders.id = any(").push_bind(ids.clone());
            query.push(")");
        }
        if let Some(text) = filter.search_of_customer() {
            query.push(" and (");
            push_words(query, text, WordMatch::Beginning);
            query.push(
                " or exists (select from payments where order_id = orders.id and lower(transaction_id) like ",
            );
            push_beginning(query, text);
            query.push(") or lower(external_reference) like ");
            push_beginning(query, text);
            query.push(
                " or exists (select from shipments where order_id = orders.id and lower(tracking_number) like ",
            );
            push_beginning(query, text);
            query.push("))");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted() {
        for (text, expected) in [
            ("ada", "'ada':*"),
            ("  Ada  Lovelace ", "'Ada':* & 'Lovelace':*"),
            (
                "o'brien \\ | !x:*",
                "'o''brien':* & '\\\\':* & '|':* & '!x:*':*",
            ),
        ] {
            let query = text_search_query(text, WordMatch::Beginning);
            assert_eq!(query, expected);
        }
        let whole = text_search_query("a@example.com", WordMatch::Whole);
        assert_eq!(whole, "'a@example.com'");
    }

    #[test]
    fn statement_contains_no_value() {
        let filter = ListFilter {
            statuses: OrderStatus::ALL.to_vec(),
            customer_id: Some("secret".to_owned()),
            email: Some("secret".to_owned()),
            search: Some("secret".to_owned()),
            cursor: Some(Cursor {
                time: DateTime::UNIX_EPOCH,
                order_id: "secret".to_owned(),
            }),
            ..ListFilter::default()
        };
        let matches = Matches {
            ids: Some(vec!["secret".to_owned()]),
        };
        let statement = ListQuery::new("", &filter, &matches).build();
        assert!(!statement.sql().as_str().contains("secret"));
    }
}
