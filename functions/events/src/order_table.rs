//! Orders as a table in CSV (RFC 4180), one row for each order.

use chrono::{DateTime, Utc};

use contract::OrderView;
use domain::{Decimal, Money};
use orderflow_http::Problem;

/// The largest number of orders in one table.
pub const MAX_ROWS: u32 = 5_000;
/// The number of orders in a table without `limit`.
pub(crate) const DEFAULT_ROWS: u32 = 1_000;

/// The size at which a table ends early. Lambda returns at most 6 MB.
const MAX_BYTES: usize = 4 * 1024 * 1024;

const COLUMNS: [&str; 26] = [
    "order_id",
    "status",
    "step",
    "is_running",
    "created_at",
    "updated_at",
    "customer_id",
    "customer_name",
    "customer_email",
    "items",
    "currency",
    "total",
    "captured",
    "refunded",
    "due",
    "payment_status",
    "transaction_id",
    "waiting_for",
    "tracking_number",
    "shipped_at",
    "delivered_at",
    "shipping_country",
    "shipping_postal_code",
    "cancellation_reason",
    "failure",
    "external_reference",
];

/// A table of orders that grows row by row.
pub(crate) struct OrderTable {
    writer: csv::Writer<Vec<u8>>,
}

impl OrderTable {
    /// Returns a table with a header only.
    pub(crate) fn new() -> Result<Self, Problem> {
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        writer.write_record(COLUMNS).map_err(Problem::internal)?;
        Ok(Self { writer })
    }

    /// Returns whether the table has reached its largest size.
    pub(crate) fn is_full(&self) -> bool {
        self.writer.get_ref().len() >= MAX_BYTES
    }

    pub(crate) fn push(&mut self, order: &OrderView) -> Result<(), Problem> {
        self.writer
            .write_record(cells(order))
            .map_err(Problem::internal)
    }

    /// Returns the table as text.
    pub(crate) fn finish(self) -> Result<String, Problem> {
        let bytes = self.writer.into_inner().map_err(Problem::internal)?;
        String::from_utf8(bytes).map_err(Problem::internal)
    }
}

fn cells(order: &OrderView) -> [String; COLUMNS.len()] {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    // With all decimals of the currency, in each row.
    let format = |amount: Decimal| {
        let money = Money::from_decimal(amount, order.currency?).ok()?;
        Some(money.decimal().to_string())
    };
    let amount = |amount: fn(&contract::Amounts) -> Decimal| {
        let amounts = order.amounts.as_ref();
        amounts
            .and_then(|amounts| format(amount(amounts)))
            .unwrap_or_default()
    };
    let (payment, shipment) = (order.payment_info.as_ref(), order.shipment_info.as_ref());
    let address = order.shipping_address.as_ref();
    [
        as_text(Some(order.order_id.as_str())),
        order.status.to_string(),
        order.step.to_string(),
        order.is_running.to_string(),
        time(order.created_at),
        time(order.updated_at),
        as_text(order.customer_id.as_deref()),
        as_text(order.customer.name.as_deref()),
        as_text(order.customer.email.as_deref()),
        as_text(Some(&describe_items(order))),
        order
            .currency
            .map(|currency| currency.to_string())
            .unwrap_or_default(),
        order.total_amount.and_then(format).unwrap_or_default(),
        amount(|amounts| amounts.captured),
        amount(|amounts| amounts.refunded),
        amount(|amounts| amounts.due),
        payment
            .map(|payment| payment.status.to_string())
            .unwrap_or_default(),
        as_text(
            payment
                .and_then(|payment| payment.transaction_id.as_ref())
                .map(|id| id.as_str()),
        ),
        order
            .waiting_for
            .as_ref()
            .map(|wait| wait.reason.to_string())
            .unwrap_or_default(),
        as_text(shipment.map(|shipment| shipment.tracking_number.as_str())),
        shipment
            .and_then(|shipment| shipment.shipped_at)
            .map(time)
            .unwrap_or_default(),
        shipment
            .and_then(|shipment| shipment.delivered_at)
            .map(time)
            .unwrap_or_default(),
        as_text(address.and_then(|address| address.country.as_deref())),
        as_text(address.and_then(|address| address.postal_code.as_deref())),
        as_text(order.cancellation_reason.as_deref()),
        order
            .failure
            .as_ref()
            .map(|failure| failure.code.to_string())
            .unwrap_or_default(),
        as_text(order.details.notes.external_reference.as_deref()),
    ]
}

/// Returns the line items as `2 x SKU`, separated by semicolons.
fn describe_items(order: &OrderView) -> String {
    let items = order.items.iter().map(|item| {
        let sku = item["sku"].as_str().unwrap_or_default();
        format!("{} x {sku}", item["quantity"])
    });
    items.collect::<Vec<_>>().join("; ")
}

/// Returns a caller's text as a cell. A spreadsheet would compute a text that begins like a formula,
/// so such a text gets an apostrophe before it, which spreadsheets hide.
fn as_text(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    let begins_formula = text.trim_start().starts_with([
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]) || text.starts_with(['\t', '\r', '\n']);
    if begins_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Source;
    use domain::{Customer, OrderId, OrderState};

    fn order(name: &str) -> OrderView {
        let state = OrderState::new(OrderId::parse("o-1").unwrap(), DateTime::UNIX_EPOCH);
        OrderView {
            customer: Customer {
                name: Some(name.to_owned()),
                ..Customer::default()
            },
            ..OrderView::from_state(&state, Source::Database)
        }
    }

    fn table(names: &[&str]) -> String {
        let mut table = OrderTable::new().unwrap();
        for name in names {
            table.push(&order(name)).unwrap();
        }
        table.finish().unwrap()
    }

    #[test]
    fn cells_survive_quotes_commas_and_line_breaks() {
        let names = [
            "Ada \"A.\" Lovelace",
            "Lovelace, Ada",
            "two\r\nlines",
            "Zoë",
        ];
        let text = table(&names);
        assert!(text.starts_with("order_id,status,") && text.ends_with("\r\n"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let column = COLUMNS
            .iter()
            .position(|name| *name == "customer_name")
            .unwrap();
        let read: Vec<_> = reader
            .records()
            .map(|row| row.unwrap()[column].to_owned())
            .collect();
        assert_eq!(read, names);
    }

    #[test]
    fn text_never_begins_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\u{ff1d}1"] {
            assert_eq!(as_text(Some(formula)), format!("'{formula}"));
        }
        for plain in ["", "Ada", "1-2", "a=b", "'=1"] {
            assert_eq!(as_text(Some(plain)), plain);
        }
    }
}
