//! Reads every accepted spelling of a request to start an order.

mod charges;
mod notes;
mod schema;

use serde_json::Value;

use self::{
    charges::{read_charges, take_money},
    notes::read_notes,
};
use crate::{
    FieldError, Fields, InvalidFields,
    address::{ADDRESS_NAMES, read_billing_address, read_order_address},
    item_quantity::Units,
    metadata::take_metadata,
};
use domain::{
    Address, AddressChange, Charges, Currency, Customer, Decimal, LineItem, Metadata, Money, Notes,
    Order, PaymentId, QuoteReference, Sku, TotalError,
};

/// A request to start an order. The line items may be missing, see
/// [`OrderRequest::with_sample_cart`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    pub customer: Customer,
    pub lines: Vec<LineItem>,
    pub currency: Currency,
    pub charges: Charges,
    /// The total that the caller expects.
    pub expected_total: Option<Money>,
    pub shipping_address: Option<Address>,
    pub billing_address: Option<Address>,
    pub payment_id: Option<PaymentId>,
    pub payment_method: Option<String>,
    pub profile: Option<String>,
    pub notes: Notes,
    /// The verified quote that has set the prices.
    pub quote: Option<QuoteReference>,
}

/// The fields with an amount that is a part of the total.
const CHARGES: [&str; 5] = [
    "shipping_amount",
    "tax_amount",
    "discounts",
    "fees",
    "total_amount",
];
pub(crate) const MAX_LINE_ITEMS: usize = 100;
const MAX_NAME_LENGTH: usize = 200;
const MAX_METHOD_LENGTH: usize = 200;
const MAX_PROFILE_LENGTH: usize = 32;
const MAX_QUOTE_ID_LENGTH: usize = 200;

impl OrderRequest {
    /// Reads every spelling of the HTTP contract.
    pub fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let customer = read_customer(fields);
        let currency = fields.take_currency(&["currency"]);
        // Without a valid currency, the number of decimals is unknown, so prices are not checked.
        let is_known = currency.is_some() || !fields.is_rejected(&["currency"]);
        let currency = currency.unwrap_or(Currency::DEFAULT);
        let priced_in = is_known.then_some(currency);
        let lines = fields.take_objects(&["items"], MAX_LINE_ITEMS, |line| {
            read_line(line, priced_in)
        });
        let are_lines_valid = !fields.is_rejected(&["items"]);
        let charges = read_charges(fields, priced_in);
        let expected_total = take_money(fields, "total_amount", priced_in);
        let address = fields.sent_name(&ADDRESS_NAMES);
        let shipping_address = read_order_address(fields);
        let is_partial =
            shipping_address.street.is_none() && shipping_address != AddressChange::default();
        if is_partial && !fields.is_rejected(&ADDRESS_NAMES) {
            fields.reject(address, "must name a street");
        }
        let billing_address = read_billing_address(fields);
        let (payment_id, payment_method) = read_payment(fields);
        let profile = fields.take_text(&["profile"], MAX_PROFILE_LENGTH);
        let notes = read_notes(fields);
        let quote = read_quote(fields);
        let request = Self {
            customer,
            lines: lines.unwrap_or_default(),
            currency,
            charges,
            expected_total,
            shipping_address: shipping_address.into_address(),
            billing_address,
            payment_id,
            payment_method,
            profile,
            notes,
            quote,
        };
        // Checked here, not in `into_order`, so that all invalid fields are reported at once. Amounts
        // of invalid fields are missing in the sum.
        let is_summable = is_known
            && are_lines_valid
            && !request.lines.is_empty()
            && !fields.is_rejected(&CHARGES);
        if is_summable && let Err(invalid) = request.total() {
            fields.reject(&invalid.pointer[1..], invalid.detail);
        }
        Some(request)
    }

    /// Returns the total, which must be the expected one.
    fn total(&self) -> Result<Money, FieldError> {
        let invalid = |pointer: &str, detail: String| FieldError {
            pointer: pointer.to_owned(),
            detail,
        };
        let total =
            Order::total_of(&self.lines, &self.charges, self.currency).map_err(|error| {
                let pointer = match error {
                    TotalError::Amount(_) => "/items",
                    TotalError::BelowZero { .. } => "/discounts",
                };
                invalid(pointer, error.to_string())
            })?;
        match self.expected_total {
            Some(expected) if expected != total => Err(invalid(
                "/total_amount",
                format!("must be {}, the total of the other fields", total.decimal()),
            )),
            _ => Ok(total),
        }
    }

    /// Returns the order that this request describes.
    ///
    /// # Errors
    ///
    /// Fails without line items, or if the total is not valid.
    pub fn into_order(self) -> Result<Order, InvalidFields> {
        if self.lines.is_empty() {
            return Err(InvalidFields(vec![FieldError {
                pointer: "/items".to_owned(),
                detail: "must have at least one element".to_owned(),
            }]));
        }
        let total = self.total().map_err(|error| InvalidFields(vec![error]))?;
        Ok(Order {
            customer: self.customer,
            lines: self.lines,
            currency: self.currency,
            charges: self.charges,
            total,
            shipping_address: self.shipping_address,
            billing_address: self.billing_address,
            payment_id: self.payment_id,
            payment_method: self.payment_method,
            notes: self.notes,
            quote: self.quote,
        })
    }

    /// Adds one sample item to an order without items (`SAMPLE_CART=on`).
    pub fn with_sample_cart(mut self) -> Self {
        if self.lines.is_empty()
            && let (Ok(sku), Ok(unit_price)) = (
                Sku::parse("SAMPLE-1"),
                Money::from_minor(999, self.currency),
            )
        {
            self.lines = vec![LineItem {
                sku,
                name: Some("Sample item".to_owned()),
                quantity: 1,
                unit_price,
                discount: None,
                metadata: Metadata::default(),
            }];
        }
        self
    }
}

fn read_customer(fields: &mut Fields<'_, '_>) -> Customer {
    let nested = fields.take_object(&["customer"], |customer| {
        Some(Customer {
            id: customer.take_parsed(&["id"]),
            name: customer.take_text(&["name"], MAX_NAME_LENGTH),
            email: customer.take_email(&["email"]),
        })
    });
    let nested = nested.unwrap_or_default();
    let id = fields.take_parsed(&["customer_id"]);
    let name = fields.take_text(&["customer_name"], MAX_NAME_LENGTH);
    let email = fields.take_email(&["customer_email"]);
    Customer {
        id: merge_field(fields, ("customer_id", id), ("/customer/id", nested.id)),
        name: merge_field(
            fields,
            ("customer_name", name),
            ("/customer/name", nested.name),
        ),
        email: merge_field(
            fields,
            ("customer_email", email),
            ("/customer/email", nested.email),
        ),
    }
}

/// Merges a field that can be in two places. Two values must be equal.
fn merge_field<T: PartialEq>(
    fields: &mut Fields<'_, '_>,
    flat: (&str, Option<T>),
    nested: (&str, Option<T>),
) -> Option<T> {
    if let (Some(one), Some(other)) = (&flat.1, &nested.1)
        && one != other
    {
        fields.reject(flat.0, format!("must be equal to {}", nested.0));
    }
    flat.1.or(nested.1)
}

/// Reads a line item. Without a currency, only the syntax of its price is checked.
fn read_line(line: &mut Fields<'_, '_>, currency: Option<Currency>) -> Option<LineItem> {
    const SKU: [&str; 2] = ["sku", "product_id"];
    const QUANTITY: [&str; 2] = ["quantity", "qty"];
    const PRICE: [&str; 2] = ["unit_price", "price"];
    const DISCOUNT: &str = "discount_amount";
    for names in [SKU, QUANTITY, PRICE] {
        line.require_any(&names);
    }
    let sku = line.take_parsed(&SKU);
    let name = line.take_text(&["name", "product_name"], MAX_NAME_LENGTH);
    let quantity = line.take_number::<Units<1>>(&QUANTITY);
    let named = line.sent_name(&PRICE);
    let price = line.take_number::<Decimal>(&PRICE);
    let unit_price = price.zip(currency).and_then(|(price, currency)| {
        Money::from_decimal(price, currency)
            .map_err(|error| line.reject(named, error.to_string()))
            .ok()
    });
    let discount = take_money(line, DISCOUNT, currency);
    let metadata = take_metadata(line);
    let item = LineItem {
        sku: sku?,
        name,
        quantity: quantity?.0,
        unit_price: unit_price?,
        discount,
        metadata,
    };
    if let (Some(discount), Ok(value)) = (item.discount, item.value())
        && discount.minor() > value.minor()
    {
        line.reject(
            DISCOUNT,
            format!("must be at most {}, the value of the line", value.decimal()),
        );
        return None;
    }
    Some(item)
}

fn read_payment(fields: &mut Fields<'_, '_>) -> (Option<PaymentId>, Option<String>) {
    let nested = fields.take_object(&["payment"], |payment| {
        Some((
            payment.take_parsed(&["payment_id"]),
            payment.take_text(&["method"], MAX_METHOD_LENGTH),
        ))
    });
    let (nested_id, method) = nested.unwrap_or_default();
    let flat = fields.take_parsed(&["payment_id"]);
    (
        merge_field(
            fields,
            ("payment_id", flat),
            ("/payment/payment_id", nested_id),
        ),
        method,
    )
}

/// Returns the quote of an order document, which can be invalid.
pub fn quote_of(document: &Value) -> Option<QuoteReference> {
    let text = |name: &str| {
        let text = document.get("quote")?.get(name)?.as_str()?;
        let is_id = text.len() <= MAX_QUOTE_ID_LENGTH && !text.contains(char::is_control);
        is_id.then(|| text.to_owned())
    };
    Some(QuoteReference {
        id: text("id")?,
        key_id: text("key_id")?,
    })
}

/// Reads the reference to a quote, as the function `start` writes it after it has verified the quote.
fn read_quote(fields: &mut Fields<'_, '_>) -> Option<QuoteReference> {
    fields.take_object(&["quote"], |quote| {
        for name in ["id", "key_id"] {
            quote.require_any(&[name]);
        }
        let id = quote.take_text(&["id"], MAX_QUOTE_ID_LENGTH);
        let key_id = quote.take_text(&["key_id"], MAX_QUOTE_ID_LENGTH);
        Some(QuoteReference {
            id: id?,
            key_id: key_id?,
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{order_document, parse_earlier_order, parse_order};
    use domain::Adjustment;

    fn refused(text: &str) -> Vec<String> {
        parse_order(text)
            .unwrap_err()
            .0
            .into_iter()
            .map(|error| error.pointer)
            .collect()
    }

    #[test]
    fn quote_of_any_document_has_bounded_texts() {
        let quote = |id: &str, key_id: Value| {
            quote_of(&serde_json::json!({"quote": {"id": id, "key_id": key_id}}))
        };
        let expected = QuoteReference {
            id: "q-1".to_owned(),
            key_id: "k".to_owned(),
        };
        assert_eq!(quote("q-1", "k".into()), Some(expected));
        assert_eq!(quote("q-1", Value::Null), None);
        // PostgreSQL does not store the character NUL.
        assert_eq!(quote("q\0", "k".into()), None);
        assert_eq!(quote(&"q".repeat(201), "k".into()), None);
        assert_eq!(quote_of(&Value::Null), None);
    }

    #[test]
    fn all_spellings_are_accepted() {
        let first = parse_order(
            r#"{"customer": {"id": "CUST-001", "name": "John Doe", "email": "john@example.com"},
            "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}], "currency": "USD",
            "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
            "payment": {"payment_id": "pmt-123", "method": "pm_card_visa"}}"#,
        )
        .unwrap();
        assert_eq!(
            (
                first.total.minor(),
                first.payment_id.as_ref().unwrap().as_str()
            ),
            (9_999, "pmt-123")
        );
        let second = parse_order(
            r#"{"customer_name": "John Doe", "customer_email": "john@example.com",
            "items": [{"sku": "ABC123", "qty": 2, "price": 99.99}],
            "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA"}}"#,
        )
        .unwrap();
        assert_eq!(
            (second.total.minor(), second.customer.name.as_deref()),
            (19_998, Some("John Doe"))
        );
        let third = parse_order(
            r#"{"customer_id": "CUST-001",
            "items": [{"product_id": "PROD-123", "product_name": "Laptop", "quantity": 1, "price": 999.99}],
            "shipping_address": "123 Main St", "shipping_city": "San Francisco",
            "shipping_postal_code": "94102", "shipping_country": "USA"}"#,
        )
        .unwrap();
        let address = third.shipping_address.unwrap();
        assert_eq!(
            (address.street.as_str(), address.country.as_deref()),
            ("123 Main St", Some("US"))
        );
    }

    #[test]
    fn all_invalid_fields_are_reported_at_once() {
        let bad = r#"{"customer": {"email": "nobody"}, "currency": "US$", "colour": "red",
            "items": [{"sku": "A", "quantity": -5, "price": "99.999"}, {"sku": "", "quantity": 1.5, "price": "x"}]}"#;
        assert_eq!(
            refused(bad),
            [
                "/customer/email",
                "/currency",
                "/items/0/quantity",
                "/items/1/sku",
                "/items/1/quantity",
                "/items/1/price",
                "/colour"
            ]
        );
    }

    #[test]
    fn invalid_total_is_reported_with_other_fields() {
        for (bad, pointers) in [
            (
                r#"{"items": [{"sku": "A", "qty": 1, "price": 1}], "discounts": [{"amount": 2}], "foo": 1}"#,
                &["/discounts", "/foo"][..],
            ),
            (
                r#"{"items": [{"sku": "A", "qty": 2, "price": "9999999999999.99"}], "foo": 1}"#,
                &["/items", "/foo"],
            ),
            (
                r#"{"items": [{"sku": "A", "qty": 1, "price": 1, "foo": 1}], "total_amount": 2}"#,
                &["/items/0/foo"],
            ),
            (
                r#"{"items": [{"sku": "", "qty": 1, "price": 1}], "shipping_address": {"street": "  "}}"#,
                &["/items/0/sku", "/shipping_address/street"],
            ),
        ] {
            assert_eq!(refused(bad), pointers, "{bad}");
        }
    }

    #[test]
    fn address_error_has_the_name_that_was_sent() {
        let with =
            |rest: &str| format!(r#"{{"items": [{{"sku": "A", "qty": 1, "price": 1}}], {rest}}}"#);
        for (rest, pointer) in [
            (r#""address": {"city": "Anytown"}"#, "/address"),
            (
                r#""shipping_address": null, "address": {"city": "Anytown"}"#,
                "/address",
            ),
            (
                r#""shipping_address": {"city": "Anytown"}"#,
                "/shipping_address",
            ),
            (r#""address": " ", "shipping_city": "Anytown""#, "/address"),
            (r#""shipping_city": "Anytown""#, "/shipping_address"),
            (
                r#""address": {"street": "", "city": "Anytown"}"#,
                "/address/street",
            ),
            (
                r#""address": {"street": 5, "city": "Anytown"}"#,
                "/address/street",
            ),
        ] {
            assert_eq!(refused(&with(rest)), [pointer], "{rest}");
        }
    }

    #[test]
    fn equal_numbers_may_differ_in_notation() {
        let both = r#"{"items": [{"sku": "A", "qty": "2", "quantity": 2.0, "price": 1, "unit_price": "1.00"}]}"#;
        assert_eq!(parse_order(both).unwrap().total.minor(), 200);
        let other = both.replace("1.00", "1.01");
        assert_eq!(refused(&other), ["/items/0/price"]);
    }

    #[test]
    fn two_names_of_a_field_must_agree() {
        let item = r#""items": [{"sku": "A", "quantity": 1, "price": 1}]"#;
        let same = r#""customer": {"id": "C-1"}, "customer_id": "C-1", "payment_id": "p", "payment": {"payment_id": "p"}"#;
        assert!(parse_order(&format!("{{{item}, {same}}}")).is_ok());
        for (other, pointer) in [
            (
                r#""customer": {"id": "C-1"}, "customer_id": "C-2""#,
                "/customer_id",
            ),
            (
                r#""customer": {"name": "a"}, "customer_name": "b""#,
                "/customer_name",
            ),
            (
                r#""customer": {"email": "a@b"}, "customer_email": "a@c""#,
                "/customer_email",
            ),
            (
                r#""payment": {"payment_id": "p"}, "payment_id": "q""#,
                "/payment_id",
            ),
            (r#""address": "1 A", "shipping_address": "2 B""#, "/address"),
        ] {
            assert_eq!(
                refused(&format!("{{{item}, {other}}}")),
                [pointer],
                "{other}"
            );
        }
        let line = r#"{"items": [{"sku": "A", "product_id": "B", "qty": 1, "quantity": 2, "price": 1, "unit_price": 2}]}"#;
        assert_eq!(
            refused(line),
            ["/items/0/product_id", "/items/0/qty", "/items/0/price"]
        );
    }

    #[test]
    fn texts_and_line_items_have_limits() {
        let line = r#"{"sku": "A", "quantity": 1, "price": 1}"#;
        let order = |lines: &str, rest: &str| format!(r#"{{"items": [{lines}]{rest}}}"#);
        assert!(parse_order(&order(&vec![line; 100].join(","), "")).is_ok());
        assert_eq!(refused(&order(&vec![line; 101].join(","), "")), ["/items"]);
        for (name, longest) in [
            ("customer_name", 200),
            ("customer_id", 64),
            ("payment_id", 160),
            ("address", 200),
        ] {
            let with =
                |length: usize| order(line, &format!(r#", "{name}": "{}""#, "x".repeat(length)));
            assert!(parse_order(&with(longest)).is_ok(), "{name}");
            assert_eq!(refused(&with(longest + 1)), [format!("/{name}")]);
        }
        for bad in [
            r#""customer_name": "a\u0000b""#,
            r#""customer_name": ["a"]"#,
            r#""customer_name": "\ud800""#,
        ] {
            assert_eq!(
                refused(&order(line, &format!(", {bad}"))),
                ["/customer_name"],
                "{bad}"
            );
        }
    }

    #[test]
    fn prices_are_exact_and_have_limits() {
        let total = |currency: &str, quantity: &str, price: &str| {
            let text = format!(
                r#"{{"currency": "{currency}", "items": [{{"sku": "A", "quantity": {quantity}, "price": {price}}}]}}"#
            );
            parse_order(&text)
                .map(|order| order.total.minor())
                .map_err(|_| refused(&text).join(" "))
        };
        for (currency, quantity, price, minor) in [
            ("USD", "3", "99.99", 29_997),
            ("USD", "\"3\"", "\"99.99\"", 29_997),
            ("USD", "3.0", "33.330", 9_999),
            ("JPY", "2", "500", 1_000),
            ("JPY", "2", "500.00", 1_000),
            ("KWD", "1", "1.234", 1_234),
            ("USD", "1", "9999999999999.99", 999_999_999_999_999),
            ("USD", "1e1", "1e2", 100_000),
            ("USD", "1E+3", "9999e-2", 9_999_000),
            ("usd", "1", "1.5e0", 150),
            (" usd ", "1", "\" 1.5 \"", 150),
        ] {
            assert_eq!(
                total(currency, quantity, price),
                Ok(minor),
                "{currency} {quantity} {price}"
            );
        }
        for price in [
            "99.999",
            "99.99000000000001",
            "-0.01",
            "1e400",
            "-1e-400",
            "\"1e2\"",
            "\"\"",
            "\"1,5\"",
            "\"NaN\"",
            "true",
            "[]",
            "{}",
            "123456789012345678901234567890",
            "0.00000000000000000001",
        ] {
            assert_eq!(
                total("USD", "1", price),
                Err("/items/0/price".to_owned()),
                "{price}"
            );
        }
        assert_eq!(total("JPY", "1", "0.5"), Err("/items/0/price".to_owned()));
        assert_eq!(
            total("KWD", "1", "1.2345"),
            Err("/items/0/price".to_owned())
        );
        // Totals of more than 15 digits and of more than 64 bits.
        assert_eq!(
            total("USD", "2", "9999999999999.99"),
            Err("/items".to_owned())
        );
        assert_eq!(
            total("USD", "10000", "9999999999999.99"),
            Err("/items".to_owned())
        );
        assert_eq!(total("US$", "1", "1"), Err("/currency".to_owned()));
    }

    #[test]
    fn quantities_and_totals_have_limits() {
        for quantity in [
            "0",
            "-1",
            "-0",
            "10001",
            "1.5",
            "1e5",
            "15e-1",
            "\"\"",
            "\"+5\"",
            "true",
            "[1]",
            "99999999999999999999",
            "1e400",
        ] {
            let text =
                format!(r#"{{"items": [{{"sku": "A", "quantity": {quantity}, "price": 1}}]}}"#);
            assert_eq!(refused(&text), ["/items/0/quantity"], "{quantity}");
        }
        let huge = r#"{"items": [{"sku": "A", "quantity": 10000, "price": 999999999999.99}]}"#;
        assert_eq!(refused(huge), ["/items"]);
        assert_eq!(
            refused(r#"{"items": [{}]}"#),
            ["/items/0/sku", "/items/0/quantity", "/items/0/unit_price"]
        );
        assert_eq!(refused("[]"), [""]);
    }

    #[test]
    fn padding_is_removed_and_blank_counts_as_absent() {
        let order = |rest: &str| {
            let text = format!(
                r#"{{"items": [{{"sku": " A ", "quantity": " 1 ", "price": 1}}], {rest}}}"#
            );
            parse_order(&text).unwrap()
        };
        let padded = order(
            r#""customer_email": "user@example.com ", "customer_id": " C-1", "payment_id": "p ",
            "currency": "usd\t""#,
        );
        assert_eq!(padded.customer.email.as_deref(), Some("user@example.com"));
        assert_eq!(padded.customer.id.unwrap().as_str(), "C-1");
        assert_eq!(padded.payment_id.unwrap().as_str(), "p");
        assert_eq!(padded.lines[0].sku.as_str(), "A");
        for blank in ["", " ", "\u{200b}"] {
            let order = order(&format!(
                r#""customer_email": "{blank}", "customer_id": "{blank}", "customer_name": "{blank}",
                "payment_id": "{blank}", "currency": "{blank}""#
            ));
            assert_eq!(
                (order.customer, order.payment_id),
                (Customer::default(), None)
            );
        }
        let blank = r#"{"items": [{"sku": " ", "quantity": 1, "price": 1}]}"#;
        assert_eq!(refused(blank), ["/items/0/sku"]);
    }

    #[test]
    fn invalid_currency_causes_one_error() {
        for currency in ["KWX", "HRK", "Usd"] {
            let text = format!(
                r#"{{"currency": "{currency}", "items": [{{"sku": "A", "quantity": 1, "price": 1.234}}]}}"#
            );
            assert_eq!(refused(&text), ["/currency"], "{currency}");
        }
        let dinar =
            r#"{"currency": "kwd", "items": [{"sku": "A", "quantity": 1, "price": 1.234}]}"#;
        assert_eq!(parse_order(dinar).unwrap().total.to_string(), "1.234 KWD");
    }

    #[test]
    fn total_has_all_amounts() {
        let order = |rest: &str| {
            let text = format!(
                r#"{{"items": [{{"sku": "A", "qty": 3, "price": "10.00", "discount_amount": 5}}], {rest}}}"#
            );
            parse_order(&text).map(|order| order.total.decimal().to_string())
        };
        let charges = r#""shipping_amount": "4.90", "tax_amount": 2, "fees": [{"code": "GIFT", "amount": 1}], "discounts": [{"amount": 0.9}]"#;
        assert_eq!(order(charges).unwrap(), "32.00");
        assert_eq!(
            order(&format!(r#"{charges}, "prices_include_tax": true"#)).unwrap(),
            "30.00"
        );
        assert_eq!(order(r#""discounts": [{"amount": 25}]"#).unwrap(), "0.00");
        for (rest, pointer, detail) in [
            (
                r#""discounts": [{"amount": 25.01}]"#,
                "/discounts",
                "the discounts of 30.01 USD are more than the other amounts of 30.00 USD",
            ),
            (
                r#""total_amount": 30"#,
                "/total_amount",
                "must be 25.00, the total of the other fields",
            ),
            (
                r#""shipping_amount": 1.001"#,
                "/shipping_amount",
                "USD has 2 decimals",
            ),
            (
                r#""fees": [{"code": "X"}]"#,
                "/fees/0/amount",
                "is required",
            ),
        ] {
            let invalid = order(rest).unwrap_err().0;
            assert_eq!(invalid.len(), 1, "{rest}");
            assert_eq!(invalid[0].pointer, pointer);
            assert_eq!(invalid[0].detail, detail);
        }
        let line = r#"{"items": [{"sku": "A", "qty": 1, "price": 1, "discount_amount": "1.01"}]}"#;
        assert_eq!(refused(line), ["/items/0/discount_amount"]);
    }

    /// The function `start` looks for prices in the body as a JSON value, and leaves a body that is none
    /// to this reader. So each of them must be refused here.
    #[test]
    fn body_that_is_no_json_value_is_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for rest in [
            r#""note": "\ud800""#.to_owned(),
            r#""metadata": {"a": "\ud800"}"#.to_owned(),
            r#""metadata": {"\ud800": 1}"#.to_owned(),
            r#""metadata": {"a": 1e400}"#.to_owned(),
            r#""total_amount": 1e400"#.to_owned(),
            format!(r#""metadata": {{"a": {deep}}}"#),
            format!(r#""gift_message": {deep}"#),
        ] {
            let text = format!(r#"{{"items": [{{"sku": "A", "qty": 1, "price": 0.01}}], {rest}}}"#);
            assert!(serde_json::from_str::<Value>(&text).is_err(), "{rest}");
            assert!(parse_order(&text).is_err(), "{rest}");
        }
    }

    #[test]
    fn metadata_and_notes_are_read() {
        let with =
            |rest: &str| format!(r#"{{"items": [{{"sku": "A", "qty": 1, "price": 0}}], {rest}}}"#);
        let text = with(
            r#""metadata": {"channel": "web", "weight": 1.50, "vip": true, "old": null},
            "note": " Ring\r\ntwice ", "gift_message": "", "external_reference": " ERP-7 ",
            "billing_address": {"street": "1 A", "company": "Acme", "country": "USA"}"#,
        );
        let order = parse_order(&text).unwrap();
        assert_eq!(
            serde_json::to_string(&order.notes).unwrap(),
            r#"{"external_reference":"ERP-7","metadata":{"channel":"web","vip":true,"weight":1.5},"note":"Ring\ntwice"}"#
        );
        assert_eq!(
            order.billing_address.unwrap().country.as_deref(),
            Some("US")
        );
        for (rest, pointer) in [
            (r#""metadata": {"a": [1]}"#, "/metadata/a"),
            (r#""metadata": {"": 1}"#, "/metadata"),
            (r#""metadata": {"a": "1 \u202eDSU"}"#, "/metadata/a"),
            (r#""metadata": "x""#, "/metadata"),
            (r#""metadata": {"a": 1234567890.1234567}"#, "/metadata/a"),
            (r#""note": "\u0007""#, "/note"),
            (r#""external_reference": "a\nb""#, "/external_reference"),
            (
                r#""billing_address": {"city": "X"}"#,
                "/billing_address/street",
            ),
        ] {
            assert_eq!(refused(&with(rest)), [pointer], "{rest}");
        }
        for metadata in [r#"{"a\u202e": 1}"#, r#"{"a": "\u202a"}"#] {
            let text = with(&format!(r#""metadata": {metadata}"#));
            assert!(parse_order(&text).is_err(), "{metadata}");
            // An earlier release has accepted it.
            assert!(parse_earlier_order(&text).is_ok(), "{metadata}");
        }
        let long = with(&format!(r#""gift_message": "{}""#, "x".repeat(501)));
        assert_eq!(refused(&long), ["/gift_message"]);
    }

    #[test]
    fn documents_of_earlier_releases_are_read_as_before() {
        let text = r#"{"items": [{"sku": "A", "quantity": 1, "price": 1}], "currency": "HRK",
            "customer_email": "a@b@example.com", "shipping_address": {"street": "1 A", "country": "Narnia"}}"#;
        assert_eq!(
            refused(text),
            ["/customer_email", "/currency", "/shipping_address/country"]
        );
        let order = parse_earlier_order(text).unwrap();
        assert_eq!(order.currency.code(), "HRK");
        assert_eq!(order.customer.email.as_deref(), Some("a@b@example.com"));
        assert_eq!(
            order.shipping_address.unwrap().country.as_deref(),
            Some("Narnia")
        );
    }

    prop_compose! {
        fn line()(sku in "[A-Z0-9]{1,8}", name in proptest::option::of("[a-z]{1,9}"), quantity in 1..=9_999_u32, price in 1..=9_999_999_i64) -> LineItem {
            LineItem {
                sku: Sku::parse(&sku).unwrap(), name, quantity, unit_price: usd(price),
                discount: Some(usd(price / 2)).filter(|_| price % 3 == 0),
                metadata: Metadata::default(),
            }
        }
    }

    fn usd(minor: i64) -> Money {
        Money::from_minor(minor, Currency::DEFAULT).unwrap()
    }

    prop_compose! {
        fn charges()(
            shipping in proptest::option::of(0..=9_999_i64), tax in proptest::option::of(0..=9_999_i64),
            prices_include_tax in proptest::bool::ANY, fees in proptest::collection::vec(0..=999_i64, 0..3),
        ) -> Charges {
            let fee = |amount| Adjustment { code: Some("F".to_owned()), description: None, amount: usd(amount) };
            Charges {
                shipping: shipping.map(usd), tax: tax.map(usd), prices_include_tax,
                discounts: Vec::new(), fees: fees.into_iter().map(fee).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn order_document_round_trips(
            lines in proptest::collection::vec(line(), 1..9), charges in charges(),
            discount in 0..=100_i64, street in proptest::option::of("[a-z]{1,9}"),
        ) {
            let of_lines: i64 = lines.iter()
                .map(|line| line.unit_price.minor() * i64::from(line.quantity) - line.discount.map_or(0, Money::minor)).sum();
            let minor = |amount: Option<Money>| amount.map_or(0, Money::minor);
            let tax = if charges.prices_include_tax { 0 } else { minor(charges.tax) };
            let fees: i64 = charges.fees.iter().map(|fee| fee.amount.minor()).sum();
            let sum = of_lines + minor(charges.shipping) + tax + fees;
            let discount = sum * discount / 100;
            let address = AddressChange { street, ..AddressChange::default() }.into_address();
            let order = OrderRequest {
                customer: Customer::default(), lines: lines.clone(), currency: Currency::DEFAULT,
                charges: Charges {
                    discounts: vec![Adjustment { code: None, description: Some("d".to_owned()), amount: usd(discount) }],
                    ..charges
                },
                expected_total: Some(usd(sum - discount)),
                shipping_address: address.clone(), billing_address: address,
                payment_id: None, payment_method: None, profile: None,
                notes: Notes { note: Some("two\nlines".to_owned()), ..Notes::default() },
                quote: Some(QuoteReference { id: "q-1".to_owned(), key_id: "k".to_owned() }),
            }.into_order().unwrap();
            prop_assert_eq!(order.total.minor(), sum - discount);
            prop_assert_eq!(parse_order(&order_document(&order).to_string()).unwrap(), order);
        }
    }
}
