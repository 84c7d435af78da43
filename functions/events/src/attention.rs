//! `GET /payments/attention`: the work list, oldest entry first.

use serde::Serialize;

use crate::app::App;
use contract::AttentionEntry;
use domain::{Concern, OrderId};
use orderflow_http::{ApiRequest, ApiResponse, Problem, QueryParameters};
use store::attention::AttentionFilter;

/// The body of `GET /payments/attention`.
#[derive(Debug, Serialize)]
pub struct WorkList {
    pub entries: Vec<AttentionEntry>,
    /// Whether there are more entries than `limit`.
    pub more: bool,
}

pub(crate) async fn list_attention(
    app: &App,
    request: &ApiRequest,
) -> Result<ApiResponse, Problem> {
    let (filter, limit) = parse_filter(request)?;
    // The list is for operators. An entry can be about an order of any customer.
    if request.customer().is_some() {
        return ApiResponse::ok(&WorkList {
            entries: Vec::new(),
            more: false,
        });
    }
    let pool = &app.database.pool().await?;
    let mut entries = store::attention::list(pool, &filter, limit.saturating_add(1)).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > limit;
    entries.truncate(limit);
    ApiResponse::ok(&WorkList { entries, more })
}

fn parse_filter(request: &ApiRequest) -> Result<(AttentionFilter, u32), Problem> {
    let mut parameters = QueryParameters::new(request);
    let names: Vec<_> = Concern::ALL
        .iter()
        .map(|concern| concern.as_str())
        .collect();
    let concern = parameters.parse(
        "concern",
        &format!("must be one of {}", names.join(", ")),
        Concern::parse,
    );
    let order_id = parameters.parse("order_id", "must be an order id", |text| {
        OrderId::parse(text).ok()
    });
    let limit = parameters.parse_limit();
    parameters.finish()?;
    let filter = AttentionFilter {
        concern,
        order_id: order_id.map(|id| id.to_string()),
        payment: None,
        before: None,
    };
    Ok((filter, limit))
}
