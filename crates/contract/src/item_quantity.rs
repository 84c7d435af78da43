//! Reads units of an order's SKUs: their numbers, and lists in which each SKU occurs once.

use std::{collections::BTreeSet, str::FromStr};

use serde_json::{Value, json};

use crate::{Fields, order_request::MAX_LINE_ITEMS, schema};
use domain::{Decimal, ItemQuantity, LineItem, Sku};

/// The largest number of units of one SKU.
const MAX_QUANTITY: u32 = LineItem::MAX_QUANTITY;

const SKU_NAMES: [&str; 2] = ["sku", "product_id"];
const QUANTITY_NAMES: [&str; 2] = ["quantity", "qty"];

/// A number of units of one SKU, at least `LEAST`.
pub(crate) struct Units<const LEAST: u32>(pub(crate) u32);

impl<const LEAST: u32> FromStr for Units<LEAST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `2.0` is a whole number too: some languages have only floating-point numbers.
        text.parse::<Decimal>()
            .ok()
            .and_then(|number| number.at_scale(0))
            .and_then(|units| u32::try_from(units).ok())
            .filter(|units| (LEAST..=MAX_QUANTITY).contains(units))
            .map(Self)
            .ok_or_else(|| format!("must be a whole number from {LEAST} to {MAX_QUANTITY}"))
    }
}

/// Takes the SKU and the units of one item.
pub(crate) fn take_item<const LEAST: u32>(item: &mut Fields<'_, '_>) -> Option<ItemQuantity> {
    item.require_any(&SKU_NAMES);
    item.require_any(&QUANTITY_NAMES);
    let sku = item.take_parsed::<Sku>(&SKU_NAMES);
    let quantity = item.take_number::<Units<LEAST>>(&QUANTITY_NAMES);
    Some(ItemQuantity {
        sku: sku?,
        quantity: quantity?.0,
    })
}

/// Takes the field `items`, if it is present. Each item has another SKU.
pub(crate) fn take_items<const LEAST: u32>(
    fields: &mut Fields<'_, '_>,
) -> Option<Vec<ItemQuantity>> {
    let items = fields.take_objects(&["items"], MAX_LINE_ITEMS, take_item::<LEAST>)?;
    require_different_skus(fields, items.iter().map(|item| &item.sku));
    Some(items)
}

/// Rejects items that are none, or that name a SKU twice.
pub(crate) fn require_different_skus<'a>(
    fields: &mut Fields<'_, '_>,
    skus: impl ExactSizeIterator<Item = &'a Sku>,
) {
    if fields.is_rejected(&["items"]) {
        return;
    }
    let count = skus.len();
    let different: BTreeSet<_> = skus.collect();
    if count == 0 {
        fields.reject("items", "must have at least one item");
    } else if different.len() < count {
        fields.reject("items", "must name each SKU once");
    }
}

/// Returns the schema of a number of units, which is at least 0 or 1.
pub(crate) fn quantity_schema(least: u32) -> Value {
    let first = if least == 0 { "[0-9]" } else { "[1-9]" };
    // `MAX_QUANTITY` is 10000.
    let digits = format!(r"0*({first}[0-9]{{0,3}}|10000)(\.0+)?");
    json!({"type": ["integer", "string", "null"], "minimum": least, "maximum": MAX_QUANTITY, "pattern": schema::padded(&digits)})
}

/// Returns the schema of the items that [`take_item`] reads, with more fields.
pub(crate) fn items_schema<const N: usize>(least: u32, more: [(&'static str, Value); N]) -> Value {
    let own = [
        ("sku", schema::identifier::<Sku>()),
        ("product_id", schema::identifier::<Sku>()),
        ("quantity", quantity_schema(least)),
        ("qty", quantity_schema(least)),
    ];
    let item = schema::object(own.into_iter().chain(more).collect());
    let item = schema::requiring(item, &[&SKU_NAMES, &QUANTITY_NAMES]);
    json!({"type": ["array", "null"], "minItems": 1, "maxItems": MAX_LINE_ITEMS, "items": item})
}
