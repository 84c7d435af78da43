//! The parts from which an operation of the document is made.

use serde_json::Value;

use crate::requests::Body;
use orderflow_http::{ProblemCode, ProblemKind};

/// The texts, parameters, request body and responses of one operation.
pub(crate) struct Description {
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) details: &'static str,
    pub(crate) parameters: Vec<Value>,
    pub(crate) body: Option<Body>,
    pub(crate) responses: Vec<(u16, Value)>,
    pub(crate) problems: Vec<ProblemKind>,
}

pub(crate) const ORDERS: &str = "Orders";
pub(crate) const ORDER_ACTIONS: &str = "Order actions";
pub(crate) const PAYMENTS: &str = "Payments";
pub(crate) const PAYMENT_WEBHOOKS: &str = "Payment webhooks";
pub(crate) const STOCK: &str = "Stock";
pub(crate) const ENDPOINTS: &str = "Endpoints";
pub(crate) const HEALTH: &str = "Health";

/// The problems of every operation that reads a JSON body.
pub(crate) const BODY_PROBLEMS: [ProblemCode; 5] = [
    ProblemCode::MalformedJson,
    ProblemCode::BodyTooLarge,
    ProblemCode::UnsupportedMediaType,
    ProblemCode::InvalidRequest,
    ProblemCode::InternalError,
];

/// Returns all codes of these lists as kinds of problems.
pub(crate) fn problem_kinds(lists: &[&[ProblemCode]]) -> Vec<ProblemKind> {
    lists.concat().into_iter().map(ProblemKind::Api).collect()
}
