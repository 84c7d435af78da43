//! Reads a change of the quantities of an order.

use serde_json::Value;

use crate::{
    Fields, Request, Rules,
    item_quantity::{items_schema, take_items},
    schema,
};
use domain::ItemsChange;

impl Request for ItemsChange {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        // The function `signal` sets it for the workflow.
        let reduce_only = match fields.rules() {
            Rules::Current => false,
            Rules::Earlier => fields.take_json("reduce_only").unwrap_or_default(),
        };
        fields.require_any(&["items"]);
        let items = take_items::<0>(fields)?;
        Some(Self { items, reduce_only })
    }

    fn object_schema() -> Value {
        let items = items_schema(0, []);
        schema::requiring(schema::object([("items", items)].into()), &[&["items"]])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
