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
        });
    }
    let entries = store::attention::list(app.database.pool().await, &filter, limit).await?;
    ApiResponse::ok(&WorkList { entries })
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
        before: None,
    };
    Ok((filter, limit))
}
