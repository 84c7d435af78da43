//! The returns of one order, from the database.

use crate::{app::App, order_source};
use contract::{ReturnList, ReturnView};
use domain::ReturnId;
use orderflow_http::{ApiRequest, ApiResponse, Problem, QueryParameters};
use store::returns;

pub(crate) async fn list_returns(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let order_id = request.order_id()?;
    let returns = returns::list(&app.database.pool().await?, &order_id).await?;
    if returns.is_empty() {
        order_source::require_order(app, &order_id).await?;
    }
    let returns = returns.into_iter().map(|found| view_for(request, found));
    ApiResponse::ok(&ReturnList {
        returns: returns.collect(),
    })
}

pub(crate) async fn get_return(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let order_id = request.order_id()?;
    let pool = app.database.pool().await?;
    let found = match ReturnId::parse(request.second_parameter()) {
        Ok(return_id) => returns::read(&pool, &order_id, &return_id).await?,
        Err(_) => None,
    };
    if let Some(found) = found {
        return ApiResponse::ok(&view_for(request, found));
    }
    order_source::require_order(app, &order_id).await?;
    Err(Problem::return_not_found(&order_id))
}

/// Returns the return for the caller of the request.
fn view_for(request: &ApiRequest, found: ReturnView) -> ReturnView {
    match request.customer() {
        Some(_) => found.for_customer(),
        None => found,
    }
}
