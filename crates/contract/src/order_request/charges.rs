//! Reads the amounts of an order beside its line items.

use serde_json::{Value, json};

use crate::{Fields, schema};
use domain::{Adjustment, Charges, Currency, Decimal, Money};

/// The greatest number of discounts, and of fees, of an order.
const MAX_ADJUSTMENTS: usize = 50;
const MAX_CODE_LENGTH: usize = 100;
const MAX_DESCRIPTION_LENGTH: usize = 200;

/// Reads the amounts. Without a currency, only their syntax is checked.
pub(super) fn read_charges(fields: &mut Fields<'_, '_>, currency: Option<Currency>) -> Charges {
    let mut adjustments = |name| {
        fields
            .take_objects(&[name], MAX_ADJUSTMENTS, |adjustment| {
                read_adjustment(adjustment, currency)
            })
            .unwrap_or_default()
    };
    Charges {
        discounts: adjustments("discounts"),
        fees: adjustments("fees"),
        shipping: take_money(fields, "shipping_amount", currency),
        tax: take_money(fields, "tax_amount", currency),
        prices_include_tax: fields
            .take_flag(&["prices_include_tax"])
            .unwrap_or_default(),
    }
}

/// Takes an amount of at least zero. Without a currency, only its syntax is checked.
pub(super) fn take_money(
    fields: &mut Fields<'_, '_>,
    name: &str,
    currency: Option<Currency>,
) -> Option<Money> {
    let amount = fields.take_number::<Decimal>(&[name])?;
    Money::from_decimal(amount, currency?)
        .map_err(|error| fields.reject(name, error.to_string()))
        .ok()
}

fn read_adjustment(
    adjustment: &mut Fields<'_, '_>,
    currency: Option<Currency>,
) -> Option<Adjustment> {
    adjustment.require_any(&["amount"]);
    let code = adjustment.take_text(&["code"], MAX_CODE_LENGTH);
    let description = adjustment.take_text(&["description"], MAX_DESCRIPTION_LENGTH);
    Some(Adjustment {
        code,
        description,
        amount: take_money(adjustment, "amount", currency)?,
    })
}

/// The schemas of the fields that [`read_charges`] reads.
pub(super) fn properties() -> [(&'static str, Value); 5] {
    let fields = [
        ("code", schema::text(MAX_CODE_LENGTH)),
        ("description", schema::text(MAX_DESCRIPTION_LENGTH)),
        ("amount", schema::amount()),
    ];
    let adjustment = schema::requiring(schema::object(fields.into()), &[&["amount"]]);
    let adjustments =
        json!({"type": ["array", "null"], "maxItems": MAX_ADJUSTMENTS, "items": adjustment});
    [
        ("shipping_amount", schema::amount()),
        ("tax_amount", schema::amount()),
        ("prices_include_tax", json!({"type": ["boolean", "null"]})),
        ("discounts", adjustments.clone()),
        ("fees", adjustments),
    ]
}
