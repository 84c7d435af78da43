//! Reads a change of the quantities of an order.

use std::{collections::BTreeSet, str::FromStr};

use serde_json::{Value, json};

use crate::{Fields, Request, Rules, order_request::MAX_LINE_ITEMS, schema};
use domain::{Decimal, ItemQuantity, ItemsChange, LineItem, Sku};

const SKU_NAMES: [&str; 2] = ["sku", "product_id"];
const QUANTITY_NAMES: [&str; 2] = ["quantity", "qty"];

struct Units(u32);
impl FromStr for Units {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let most = LineItem::MAX_QUANTITY;
        let whole = text
            .parse::<Decimal>()
            .ok()
            .and_then(|number| number.at_scale(0));
        whole
            .and_then(|units| u32::try_from(units).ok())
            .filter(|units| *units <= most)
            .map(Self)
            .ok_or_else(|| format!("must be a whole number from 0 to {most}"))
    }
}

impl Request for ItemsChange {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        // The function `signal` sets it for the workflow.
        let reduce_only = match fields.rules() {
            Rules::Current => false,
            Rules::Earlier => fields.take_json("reduce_only").unwrap_or_default(),
        };
        fields.require_any(&["items"]);
        let items = fields.take_objects(&["items"], MAX_LINE_ITEMS, |item| {
            item.require_any(&SKU_NAMES);
            item.require_any(&QUANTITY_NAMES);
            let sku = item.take_parsed::<Sku>(&SKU_NAMES);
            let quantity = item.take_number::<Units>(&QUANTITY_NAMES);
            Some(ItemQuantity {
                sku: sku?,
                quantity: quantity?.0,
            })
        })?;
        if !fields.is_rejected(&["items"]) {
            let skus: BTreeSet<_> = items.iter().map(|item| &item.sku).collect();
            if items.is_empty() {
                fields.reject("items", "must have at least one item");
            } else if skus.len() < items.len() {
                fields.reject("items", "must name each SKU once");
            }
        }
        Some(Self { items, reduce_only })
    }

    fn object_schema() -> Value {
        let whole = r"^\s*(0*([0-9]{1,4}|10000)(\.0+)?)?\s*$";
        let quantity = json!({"type": ["integer", "string", "null"], "minimum": 0, "maximum": LineItem::MAX_QUANTITY, "pattern": whole});
        let item = schema::object(
            [
                ("sku", schema::identifier::<Sku>()),
                ("product_id", schema::identifier::<Sku>()),
                ("quantity", quantity.clone()),
                ("qty", quantity),
            ]
            .into(),
        );
        let item = schema::requiring(item, &[&SKU_NAMES, &QUANTITY_NAMES]);
        let items =
            json!({"type": "array", "minItems": 1, "maxItems": MAX_LINE_ITEMS, "items": item});
        let mut object = schema::object([("items", items)].into());
        object["required"] = json!(["items"]);
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ItemsChange, String> {
        ItemsChange::parse(text).map_err(|error| error.to_string())
    }

    #[test]
    fn each_spelling_is_accepted() {
        let spelled = [
            r#"{"items": [{"sku": "A", "quantity": 0}]}"#,
            r#"{"items": [{"product_id": " A ", "qty": "0.0"}]}"#,
        ];
        let read = spelled.map(|text| parse(text).unwrap());
        assert_eq!(read[0], read[1]);
        // A message to the workflow is read with its limit.
        let limited = ItemsChange {
            reduce_only: true,
            ..read[0].clone()
        };
        let message = json!(limited).to_string();
        assert_eq!(
            ItemsChange::parse_with(&message, Rules::Earlier),
            Ok(limited)
        );
        assert!(parse(&message).unwrap_err().contains("/reduce_only"));
    }

    #[test]
    fn wrong_items_are_refused() {
        for (text, detail) in [
            ("{}", "/items is required"),
            (r#"{"items": []}"#, "/items must have at least one item"),
            (
                r#"{"items": [{"sku": "A", "quantity": -1}]}"#,
                "/items/0/quantity must be a whole number from 0",
            ),
            (
                r#"{"items": [{"sku": "A"}]}"#,
                "/items/0/quantity is required",
            ),
            (
                r#"{"items": [{"sku": "A", "qty": 1}, {"sku": "A", "qty": 2}]}"#,
                "/items must name each SKU once",
            ),
            (
                r#"{"items": [{"sku": "A", "qty": 1, "price": 1}]}"#,
                "/items/0/price is not a known field",
            ),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(detail), "{text}: {refused}");
        }
    }
}
