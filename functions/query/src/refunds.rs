//! The refunds of one order, from the database.

use crate::{app::App, order_source};
use contract::RefundList;
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
    ApiResponse::ok(&RefundList { refunds })
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
        return ApiResponse::ok(&refund);
    }
    order_source::require_order(app, &order_id).await?;
    Err(Problem::new(
        ProblemCode::RefundNotFound,
        format!("The order '{order_id}' has no refund with this id."),
    ))
}
