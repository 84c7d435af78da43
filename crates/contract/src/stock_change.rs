//! The request that changes the stock of one SKU.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Fields, Request, schema};
use domain::Decimal;

/// The largest number of available units of a SKU, and the largest adjustment.
pub const MAX_STOCK: i64 = 1_000_000_000_000;

const MAX_REASON_LENGTH: usize = 500;

/// A change of the available units: to a number, or by a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRequest {
    pub amount: RequestedStock,
    pub reason: Option<String>,
}

/// The requested number of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestedStock {
    Available(i64),
    Adjust(i64),
}

struct Available(i64);
impl FromStr for Available {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_units(text)
            .filter(|units| (0..=MAX_STOCK).contains(units))
            .map(Self)
            .ok_or_else(|| format!("must be a whole number from 0 to {MAX_STOCK}"))
    }
}

struct Adjustment(i64);
impl FromStr for Adjustment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_units(text)
            .filter(|units| *units != 0 && (-MAX_STOCK..=MAX_STOCK).contains(units))
            .map(Self)
            .ok_or_else(|| {
                format!("must be a whole number from -{MAX_STOCK} to {MAX_STOCK}, other than 0")
            })
    }
}

/// Returns a whole number, also one that is written as `5.0`.
fn parse_units(text: &str) -> Option<i64> {
    text.parse::<Decimal>().ok()?.at_scale(0)
}

impl Request for StockRequest {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let available = fields.take_number::<Available>(&["available"]);
        let adjust = fields.take_number::<Adjustment>(&["adjust"]);
        let reason = fields.take_text(&["reason"], MAX_REASON_LENGTH);
        let is_rejected = fields.is_rejected(&["available", "adjust"]);
        let amount = match (available, adjust) {
            (Some(available), None) => RequestedStock::Available(available.0),
            (None, Some(adjust)) => RequestedStock::Adjust(adjust.0),
            (Some(_), Some(_)) => {
                fields.reject("adjust", "must be absent beside available");
                return None;
            }
            (None, None) => {
                if !is_rejected {
                    fields.reject("available", "is required, or adjust");
                }
                return None;
            }
        };
        if adjust_needs_reason(amount) && reason.is_none() && !fields.is_rejected(&["reason"]) {
            fields.reject("reason", "is required for an adjustment");
        }
        Some(Self { amount, reason })
    }

    fn object_schema() -> Value {
        // `MAX_STOCK` is a one with twelve zeros.
        let number = |least: i64, digits: &str| {
            let pattern = schema::padded(&format!(r"{digits}(\.0+)?"));
            json!({"type": ["integer", "string", "null"], "minimum": least, "maximum": MAX_STOCK, "pattern": pattern})
        };
        let mut adjust = number(-MAX_STOCK, "-?0*([1-9][0-9]{0,11}|10{12})");
        adjust["not"] = json!({"const": 0});
        schema::object(
            [
                ("available", number(0, "0*([0-9]{1,12}|10{12})")),
                ("adjust", adjust),
                ("reason", schema::text(MAX_REASON_LENGTH)),
            ]
            .into(),
        )
    }
}

const fn adjust_needs_reason(amount: RequestedStock) -> bool {
    matches!(amount, RequestedStock::Adjust(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StockRequest, String> {
        StockRequest::parse(text).map_err(|error| error.to_string())
    }

    #[test]
    fn request_sets_or_adjusts() {
        for (text, amount, reason) in [
            (r#"{"available": 0}"#, RequestedStock::Available(0), None),
            (
                r#"{"available": "1000000000000", "reason": " stocktaking "}"#,
                RequestedStock::Available(MAX_STOCK),
                Some("stocktaking"),
            ),
            (
                r#"{"adjust": -5.0, "reason": "broken"}"#,
                RequestedStock::Adjust(-5),
                Some("broken"),
            ),
        ] {
            let reason = reason.map(str::to_owned);
            assert_eq!(read(text), Ok(StockRequest { amount, reason }), "{text}");
        }
    }

    #[test]
    fn invalid_request_names_the_field() {
        for (text, expected) in [
            ("", "/available is required, or adjust"),
            (
                r#"{"available": 1, "adjust": 1, "reason": "r"}"#,
                "/adjust must be absent beside available",
            ),
            (r#"{"adjust": 1}"#, "/reason is required for an adjustment"),
            (
                r#"{"adjust": 0, "reason": "r"}"#,
                "/adjust must be a whole number",
            ),
            (r#"{"available": -1}"#, "/available must be a whole number"),
            (r#"{"available": 1.5}"#, "/available must be a whole number"),
            (
                r#"{"available": 1000000000001}"#,
                "/available must be a whole number from 0 to 1000000000000",
            ),
            (r#"{"stock": 1}"#, "/stock is not a known field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
