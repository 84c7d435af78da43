//! The refunds of one order, from the database.

use crate::{app::App, order_source};
use contract::{RefundList, RefundView};
use domain::RefundId;
use orderflow_http::{ApiRequest, ApiResponse, Problem, ProblemCode, QueryParameters};
use store::refunds;

pub(crate) async fn list_refunds(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let order_id = request.order_id()?;
    let refunds = refunds::list(&app.database.pool().await?, &order_id).await?;
    if refunds.is_empty() {
        order_source::require_order(app, &order_id).await?;
    }
    let refunds = refunds.into_iter().map(|refund| view_for(request, refund));
    ApiResponse::ok(&RefundList {
        refunds: refunds.collect(),
    })
}

pub(crate) async fn get_refund(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let order_id = request.order_id()?;
    let pool = app.database.pool().await?;
    let found = match RefundId::parse(request.second_parameter()) {
        Ok(refund_id) => refunds::read(&pool, &order_id, &refund_id).await?,
        Err(_) => None,
    };
    if let Some(refund) = found {
        return ApiResponse::ok(&view_for(request, refund));
    }
    order_source::require_order(app, &order_id).await?;
    Err(Problem::new(
        ProblemCode::RefundNotFound,
        format!("The order '{order_id}' has no refund with this id."),
    ))
}

/// Returns the refund for the caller of the request.
fn view_for(request: &ApiRequest, refund: RefundView) -> RefundView {
    match request.customer() {
        Some(_) => refund.for_customer(),
        None => refund,
    }
}
