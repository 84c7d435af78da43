//! `/stock`: the stock of each SKU.

use lambda_http::http::header;
use serde::Serialize;

use crate::app::App;
use contract::{MAX_STOCK, RequestedStock, StockRequest};
use domain::Sku;
use orderflow_http::{
    ApiRequest, ApiResponse, Problem, ProblemCode, QueryParameters, decode_cursor, encode_cursor,
    encode_segment, next_link,
};
use store::{
    inventory::{self, Stock},
    stock::{self, StockAmount, StockChange, StockMovement, StockOutcome},
};

/// The number of movements in the response to `GET /stock/{sku}`.
const SHOWN_MOVEMENTS: u32 = 20;

/// The stock of one SKU, in units.
#[derive(Debug, Serialize)]
pub struct StockEntry {
    pub sku: String,
    pub available: i64,
    pub held: i64,
    pub shipped: i64,
}

impl StockEntry {
    const fn new(sku: String, stock: Stock) -> Self {
        Self {
            sku,
            available: stock.available,
            held: stock.held,
            shipped: stock.shipped,
        }
    }
}

/// The body of `GET /stock`.
#[derive(Debug, Serialize)]
pub struct StockList {
    pub stock: Vec<StockEntry>,
}

/// The body of `GET /stock/{sku}`.
#[derive(Debug, Serialize)]
pub struct StockDetail {
    pub sku: String,
    pub available: i64,
    pub held: i64,
    pub shipped: i64,
    /// The last changes, the newest first.
    pub movements: Vec<StockMovement>,
}

/// The body of the response to `PUT /stock/{sku}`.
#[derive(Debug, Serialize)]
pub struct StockChanged {
    pub sku: String,
    pub available: i64,
    pub held: i64,
    pub shipped: i64,
    /// Whether an earlier request with the same key has made this change.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}

pub(crate) async fn list_stock(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let mut parameters = QueryParameters::new(request);
    let after = parameters.parse(
        "cursor",
        "must be the cursor of a previous page's Link header",
        |text| Sku::parse(&decode_cursor(text)?).ok(),
    );
    let limit = parameters.parse_limit();
    parameters.finish()?;
    // One more entry than requested shows whether a next page exists.
    let pool = app.database.pool().await?;
    let mut rows = stock::list_page(&pool, after.as_ref(), limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_last = rows.len() <= limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| !is_last).map(|(sku, _)| {
        let parameters = [
            ("limit", request.query_parameter("limit").map(str::to_owned)),
            ("cursor", Some(encode_cursor(sku))),
        ];
        next_link("/stock", &parameters)
    });
    let stock = rows
        .into_iter()
        .map(|(sku, stock)| StockEntry::new(sku, stock))
        .collect();
    let response = ApiResponse::ok(&StockList { stock })?;
    Ok(match next {
        Some(next) => response.with_header(header::LINK, next),
        None => response,
    })
}

pub(crate) async fn get_stock(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let sku = Sku::parse(request.path_parameter()).map_err(|_| unknown_sku())?;
    QueryParameters::new(request).finish()?;
    let pool = app.database.pool().await?;
    let Some(stock) = inventory::read_stock(&pool, &sku).await? else {
        return Err(unknown_sku());
    };
    let movements = stock::list_movements(&pool, &sku, SHOWN_MOVEMENTS).await?;
    ApiResponse::ok(&StockDetail {
        sku: sku.to_string(),
        available: stock.available,
        held: stock.held,
        shipped: stock.shipped,
        movements,
    })
}

pub(crate) async fn put_stock(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let sku = Sku::parse(request.path_parameter())
        .map_err(|error| Problem::invalid_path(format!("The SKU {error}.")))?;
    QueryParameters::new(request).finish()?;
    // Not bound to the body: the database compares the change with that of the same key.
    let key = request
        .idempotency_key()?
        .map(|key| key.update_id(&format!("stock {sku}")));
    let StockRequest { amount, reason } = request.parse_body()?;
    let amount = match amount {
        RequestedStock::Available(available) => StockAmount::Set(available),
        RequestedStock::Adjust(difference) => StockAmount::Adjust(difference),
    };
    let change = StockChange {
        sku: &sku,
        amount,
        limit: MAX_STOCK,
        changed_by: request.caller.actor(),
        reason: reason.as_deref(),
        idempotency_key: key.as_deref(),
    };
    let pool = app.database.pool().await?;
    match stock::change_stock(&pool, change).await? {
        StockOutcome::Changed {
            stock,
            created,
            already,
        } => {
            let body = StockChanged {
                sku: sku.to_string(),
                available: stock.available,
                held: stock.held,
                shipped: stock.shipped,
                already,
            };
            if created {
                let path = format!("/stock/{}", encode_segment(sku.as_str()));
                ApiResponse::created(path, &body)
            } else {
                ApiResponse::ok(&body)
            }
        }
        StockOutcome::UnknownSku => Err(unknown_sku()),
        StockOutcome::BelowZero(stock) => Err(Problem::new(
            ProblemCode::InsufficientStock,
            format!(
                "Only {} units are available; {} more are held by orders.",
                stock.available, stock.held
            ),
        )),
        StockOutcome::AboveLimit(stock) => Err(Problem::new(
            ProblemCode::StockLimit,
            format!(
                "{} units are available, and the limit is {MAX_STOCK}.",
                stock.available
            ),
        )),
        StockOutcome::KeyReused => Err(Problem::new(
            ProblemCode::IdempotencyKeyReused,
            "An earlier request used this Idempotency-Key for another change of this SKU; send a new key.",
        )),
    }
}

fn unknown_sku() -> Problem {
    Problem::new(
        ProblemCode::SkuNotFound,
        "No stock has this SKU; set its available units with PUT first.",
    )
}
