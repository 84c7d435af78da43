//! `GET /stats`: statistics of orders, for operators.

use chrono::{TimeDelta, Utc};

use crate::{
    app::App,
    time_filter::{TIME, parse_time_filter},
};
use contract::Stats;
use orderflow_http::{ApiRequest, ApiResponse, Problem, QueryParameters};

/// The range without `from`.
const DEFAULT_RANGE: TimeDelta = TimeDelta::hours(24);
/// The longest range.
const MAX_RANGE: TimeDelta = TimeDelta::days(31);

pub(crate) async fn read_stats(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let mut parameters = QueryParameters::new(request);
    let from = parameters.parse("from", TIME, parse_time_filter);
    let to = parameters.parse("to", TIME, parse_time_filter);
    let now = Utc::now();
    let to = to.map_or(now, |to| to.min(now));
    let from = from.unwrap_or(to - DEFAULT_RANGE);
    let range = to - from;
    if range <= TimeDelta::zero() {
        parameters.reject("from", "must be before to, which is now or earlier");
    } else if range > MAX_RANGE {
        parameters.reject(
            "from",
            "must be at most 31 days before to, which is now or earlier",
        );
    }
    parameters.finish()?;
    // The statistics are of all customers, so a customer's caller gets none.
    if request.customer().is_some() {
        return ApiResponse::ok(&Stats::empty(from, to));
    }
    let pool = &app.database.pool().await?;
    ApiResponse::ok(&store::stats::read(pool, from, to, app.stalled_after).await?)
}
