//! The content of a mail: the projection of an order, rendered by the templates in
//! `worker/templates`.

use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use contract::{AdjustmentView, OrderView};
use domain::{
    Address, Currency, Decimal, FailureCode, Money, NotificationKind, OrderStatus, PaymentStatus,
    RefundId, Shortage, country_name,
};

/// The values that templates use. None of them contains a control character or a line break.
#[derive(Debug, Clone, Default)]
pub(super) struct MailContent {
    pub(super) order_id: String,
    pub(super) customer: Option<String>,
    items: Vec<Item>,
    /// The amounts between the line items and the total: their names and values.
    charges: Vec<(String, String)>,
    total: Option<String>,
    gift_message: Option<String>,
    address: Vec<String>,
    paid: Option<String>,
    tracking_number: Option<String>,
    carrier: Option<String>,
    estimated_delivery: Option<String>,
    delivered_on: Option<String>,
    /// Whether the order has failed, and was not cancelled.
    is_failed: bool,
    /// The reason of the cancel, of the failure or of the refund, worded for a customer.
    reason: Option<String>,
    /// The sentence about the refund.
    refund: &'static str,
    /// The money of the refund that the mail is about.
    refunded: Option<String>,
    /// The names and the numbers of the received units of the return that the mail is about.
    returned: Vec<(String, u32)>,
}

#[derive(Debug, Clone)]
struct Item {
    name: String,
    quantity: u32,
    unit_price: String,
    amount: String,
}

/// The subject and both bodies of a mail.
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

macro_rules! pages {
    ($($html:ident $html_file:literal, $text:ident $text_file:literal;)+) => {
        $(
            #[derive(Template)]
            #[template(path = $html_file)]
            struct $html<'a> { letter: &'a MailContent }
            #[derive(Template)]
            #[template(path = $text_file)]
            struct $text<'a> { letter: &'a MailContent }
        )+
    };
}

pages! {
    ReceivedHtml "order_received.html", ReceivedText "order_received.txt";
    ConfirmedHtml "payment_confirmed.html", ConfirmedText "payment_confirmed.txt";
    ShippedHtml "order_shipped.html", ShippedText "order_shipped.txt";
    DeliveredHtml "order_delivered.html", DeliveredText "order_delivered.txt";
    CancelledHtml "order_cancelled.html", CancelledText "order_cancelled.txt";
    RefundedHtml "refund_completed.html", RefundedText "refund_completed.txt";
    ReturnedHtml "return_received.html", ReturnedText "return_received.txt";
}

impl MailContent {
    pub(super) fn of(order: &OrderView) -> Self {
        let money = |amount: Decimal| amount_in(amount, order.currency?);
        let shipment = order.shipment_info.as_ref();
        let paid = order
            .payment_info
            .as_ref()
            .filter(|payment| payment.status == PaymentStatus::Captured);
        Self {
            order_id: order.order_id.to_string(),
            customer: order.customer.name.as_deref().map(one_line),
            items: order
                .items
                .iter()
                .filter_map(|item| Item::of(item, order.currency?))
                .collect(),
            charges: order
                .currency
                .map(|currency| charges(order, currency))
                .unwrap_or_default(),
            total: order.total_amount.and_then(money),
            gift_message: order.details.notes.gift_message.as_deref().map(one_line),
            address: order
                .shipping_address
                .as_ref()
                .map(address_lines)
                .unwrap_or_default(),
            paid: paid.and_then(|payment| money(payment.amount)),
            tracking_number: shipment.map(|shipment| one_line(&shipment.tracking_number)),
            carrier: shipment.map(|shipment| one_line(&shipment.provider)),
            estimated_delivery: order.estimated_delivery.map(format_day),
            delivered_on: shipment
                .and_then(|shipment| shipment.delivered_at)
                .map(format_day),
            is_failed: order.status == OrderStatus::Failed,
            reason: cancellation_reason(order),
            refund: refund_sentence(order),
            ..Self::default()
        }
    }

    /// Returns the content of a mail about a refund or a return of the order. Such a mail does not list
    /// the order.
    pub(super) fn of_subject(order: &OrderView, subject_id: &str) -> Self {
        let returned = order
            .returns
            .iter()
            .find(|returned| returned.return_id.as_str() == subject_id);
        let refund_id = returned.map_or(Some(subject_id), |returned| {
            returned.refund_id.as_ref().map(RefundId::as_str)
        });
        let refund = order
            .refunds
            .iter()
            .find(|refund| Some(refund.refund_id.as_str()) == refund_id);
        let received = returned
            .iter()
            .flat_map(|returned| &returned.items)
            .filter_map(|line| Some((line, line.received_quantity.filter(|units| *units > 0)?)));
        Self {
            order_id: order.order_id.to_string(),
            customer: order.customer.name.as_deref().map(one_line),
            refunded: refund.and_then(|refund| amount_in(refund.amount, refund.currency)),
            // The other reason is for the shop only.
            reason: refund
                .and_then(|refund| refund.public_reason.as_deref())
                .map(one_line),
            returned: received
                .map(|(line, units)| (product_name(order, line.sku.as_str()), units))
                .collect(),
            ..Self::default()
        }
    }

    pub(super) fn render(&self, kind: NotificationKind) -> Result<Rendered, askama::Error> {
        let letter = self;
        let (subject, text, html) = match kind {
            NotificationKind::OrderReceived => (
                "Order received",
                ReceivedText { letter }.render()?,
                ReceivedHtml { letter }.render()?,
            ),
            NotificationKind::PaymentConfirmed => (
                "Payment confirmed",
                ConfirmedText { letter }.render()?,
                ConfirmedHtml { letter }.render()?,
            ),
            NotificationKind::OrderShipped => (
                "Order shipped",
                ShippedText { letter }.render()?,
                ShippedHtml { letter }.render()?,
            ),
            NotificationKind::OrderDelivered => (
                "Order delivered",
                DeliveredText { letter }.render()?,
                DeliveredHtml { letter }.render()?,
            ),
            NotificationKind::OrderCancelled => (
                if self.is_failed {
                    "Order not completed"
                } else {
                    "Order cancelled"
                },
                CancelledText { letter }.render()?,
                CancelledHtml { letter }.render()?,
            ),
            NotificationKind::RefundCompleted => (
                "Payment refunded",
                RefundedText { letter }.render()?,
                RefundedHtml { letter }.render()?,
            ),
            NotificationKind::ReturnReceived => (
                "Return received",
                ReturnedText { letter }.render()?,
                ReturnedHtml { letter }.render()?,
            ),
        };
        Ok(Rendered {
            subject: format!("{subject}: {}", self.order_id),
            text,
            html,
        })
    }
}

impl Item {
    fn of(document: &serde_json::Value, currency: Currency) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            sku: String,
            name: Option<String>,
            quantity: u32,
            unit_price: Decimal,
            discount_amount: Option<Decimal>,
        }
        let line = Line::deserialize(document).ok()?;
        let unit_price = Money::from_decimal(line.unit_price, currency).ok()?;
        let value = unit_price.checked_mul(line.quantity).ok()?;
        let discount = match line.discount_amount {
            Some(discount) => Money::from_decimal(discount, currency).ok()?.minor(),
            None => 0,
        };
        let amount = Money::from_minor(value.minor() - discount, currency).ok()?;
        Some(Self {
            name: one_line(&line.name.unwrap_or(line.sku)),
            quantity: line.quantity,
            unit_price: format_amount(unit_price),
            amount: format_amount(amount),
        })
    }
}

/// Returns the amounts of the order beside its line items, with their names.
fn charges(order: &OrderView, currency: Currency) -> Vec<(String, String)> {
    let charges = &order.details.charges;
    let named = |adjustment: &AdjustmentView, name: &str| {
        let text = adjustment
            .description
            .as_deref()
            .or(adjustment.code.as_deref());
        text.map_or_else(|| name.to_owned(), one_line)
    };
    let discounts = charges.discounts.iter().filter_map(|discount| {
        let amount = amount_in(discount.amount, currency)?;
        Some((named(discount, "Discount"), format!("-{amount}")))
    });
    let fees = charges
        .fees
        .iter()
        .map(|fee| (named(fee, "Fee"), fee.amount));
    let tax = if charges.prices_include_tax {
        "Included tax"
    } else {
        "Tax"
    };
    let single = [
        ("Shipping", charges.shipping_amount),
        (tax, charges.tax_amount),
    ];
    let single = single
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), amount?)));
    let added = fees
        .chain(single)
        .filter_map(|(name, amount)| Some((name, amount_in(amount, currency)?)));
    discounts.chain(added).collect()
}

/// Formats an amount for a person: `USD 1,234.50`, `JPY 500`.
fn format_amount(money: Money) -> String {
    let decimal = money.decimal().to_string();
    let (whole, fraction) = decimal
        .split_once('.')
        .map_or((decimal.as_str(), None), |(a, b)| (a, Some(b)));
    let mut text = format!("{} ", money.currency());
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

fn amount_in(decimal: Decimal, currency: Currency) -> Option<String> {
    Money::from_decimal(decimal, currency)
        .ok()
        .map(format_amount)
}

const UNKNOWN_CHARGE: &str = "If you were charged, the charge is refunded.";

fn format_day(time: DateTime<Utc>) -> String {
    time.format("%-d %B %Y").to_string()
}

fn address_lines(address: &Address) -> Vec<String> {
    let place: Vec<_> = [&address.city, &address.state, &address.postal_code]
        .into_iter()
        .flatten()
        .map(|part| one_line(part))
        .collect();
    let place = place.join(", ");
    let country = address.country.as_deref();
    let country = country.map(|country| country_name(country).unwrap_or(country));
    let lines = [
        address.name.as_deref(),
        address.company.as_deref(),
        Some(address.street.as_str()),
        address.street2.as_deref(),
        Some(place.as_str()).filter(|place| !place.is_empty()),
        country,
    ];
    lines.into_iter().flatten().map(one_line).collect()
}

/// Replaces line breaks, so that a customer's text cannot look like several lines of the mail.
fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.replace(breaks, " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Words a failure for the customer. The detail of a failure is for operators.
fn cancellation_reason(order: &OrderView) -> Option<String> {
    let Some(failure) = &order.failure else {
        // The other reason is for the shop only.
        return order.details.public_reason.as_deref().map(one_line);
    };
    if failure.code != FailureCode::OutOfStock {
        return Some(failure.code.public_detail().to_owned());
    }
    Some(if failure.shortages.is_empty() {
        "not everything that you ordered is in stock".to_owned()
    } else {
        short_products(order, &failure.shortages)
    })
}

/// Names the products that are short. The numbers of the stock are not for customers.
fn short_products(order: &OrderView, shortages: &[Shortage]) -> String {
    let names: Vec<_> = shortages
        .iter()
        .map(|shortage| product_name(order, shortage.sku.as_str()))
        .collect();
    format!("not available in this quantity: {}", names.join(", "))
}

fn product_name(order: &OrderView, sku: &str) -> String {
    let item = order.items.iter().find(|item| item["sku"] == sku);
    let name = item.and_then(|item| item["name"].as_str());
    one_line(name.unwrap_or(sku))
}

fn refund_sentence(order: &OrderView) -> &'static str {
    if !matches!(order.status, OrderStatus::Cancelled | OrderStatus::Failed) {
        return "";
    }
    let status = order.payment_info.as_ref().map(|payment| payment.status);
    let failure = order.failure.as_ref().map(|failure| failure.code);
    // The provider did not respond to the charge, so its outcome can be unknown.
    let is_unknown = failure == Some(FailureCode::PaymentUnavailable);
    if is_unknown && status != Some(PaymentStatus::Refunded) {
        return UNKNOWN_CHARGE;
    }
    match status {
        Some(PaymentStatus::Refunded) => "Your payment was refunded.",
        Some(PaymentStatus::Pending) => UNKNOWN_CHARGE,
        Some(PaymentStatus::Captured | PaymentStatus::Refunding | PaymentStatus::RefundDue) => {
            "Your payment will be refunded."
        }
        Some(PaymentStatus::Declined) | None => "You have not been charged.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Source;
    use domain::{Failure, OrderId, OrderState, PaymentId, PaymentInfo, Sku};

    fn money(text: &str, code: &str) -> String {
        amount_in(text.parse().unwrap(), Currency::parse(code).unwrap()).unwrap()
    }

    #[test]
    fn money_has_the_decimals_of_its_currency_and_thousands_apart() {
        assert_eq!(money("99.9", "USD"), "USD 99.90");
        assert_eq!(money("1234567.5", "EUR"), "EUR 1,234,567.50");
        assert_eq!(money("1000", "JPY"), "JPY 1,000");
        assert_eq!(money("0.005", "KWD"), "KWD 0.005");
        assert_eq!(money("100", "USD"), "USD 100.00");
    }

    fn failed(code: FailureCode, payment: Option<PaymentStatus>) -> OrderView {
        let now = DateTime::UNIX_EPOCH;
        let state = OrderState::new(OrderId::parse("o-1").unwrap(), now);
        let pending = PaymentInfo::pending(
            PaymentId::parse("p-1").unwrap(),
            None,
            Money::from_minor(100, Currency::DEFAULT).unwrap(),
            None,
            now,
        );
        let shortages = ["A", "B"].map(|sku| Shortage {
            sku: Sku::parse(sku).unwrap(),
            wanted: Some(2),
            available: Some(1),
        });
        OrderView {
            status: OrderStatus::Failed,
            items: vec![serde_json::json!({"sku": "A", "name": "Laptop"})],
            payment_info: payment.map(|status| PaymentInfo { status, ..pending }),
            failure: Some(Failure {
                code,
                detail: "detail of the operator".to_owned(),
                shortages: shortages
                    .into_iter()
                    .filter(|_| code == FailureCode::OutOfStock)
                    .collect(),
            }),
            ..OrderView::from_state(&state, Source::Database)
        }
    }

    #[test]
    fn mail_of_failed_order_reports_no_cancellation() {
        let order = failed(FailureCode::DispatchFailed, Some(PaymentStatus::Refunded));
        let mail = MailContent::of(&order).render(NotificationKind::OrderCancelled);
        let mail = mail.unwrap();
        assert_eq!(mail.subject, "Order not completed: o-1");
        for body in [&mail.text, &mail.html] {
            assert!(body.contains("could not be completed"), "{body}");
            assert!(body.contains("the carrier could not take it"), "{body}");
            assert!(!body.contains("cancelled"), "{body}");
        }
    }

    #[test]
    fn mail_never_denies_a_charge_of_unknown_outcome() {
        use PaymentStatus::{Declined, Pending, Refunded, Refunding};
        for status in [None, Some(Pending), Some(Refunding), Some(Declined)] {
            let order = failed(FailureCode::PaymentUnavailable, status);
            assert_eq!(refund_sentence(&order), UNKNOWN_CHARGE, "{status:?}");
        }
        let sentence = |code, status| refund_sentence(&failed(code, status));
        let refunded = sentence(FailureCode::PaymentUnavailable, Some(Refunded));
        assert_eq!(refunded, "Your payment was refunded.");
        let pending = sentence(FailureCode::DeadlinePassed, Some(Pending));
        assert_eq!(pending, UNKNOWN_CHARGE);
        let declined = sentence(FailureCode::PaymentDeclined, Some(Declined));
        assert_eq!(declined, "You have not been charged.");
    }

    #[test]
    fn mail_names_the_short_products() {
        let content = MailContent::of(&failed(FailureCode::OutOfStock, None));
        let reason = "not available in this quantity: Laptop, B";
        assert_eq!(content.reason.as_deref(), Some(reason));
    }

    #[test]
    fn what_a_customer_wrote_stays_one_line() {
        assert_eq!(
            one_line(" Eve\r\nBcc: a@b\u{2028}x\t\0y "),
            "Eve Bcc: a@b x y"
        );
    }
}
