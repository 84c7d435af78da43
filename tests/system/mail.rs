//! Mails to customers, over real SMTP into real mailboxes.

mod claims;
mod failures;
mod servers;

use serde_json::{Value, json};
use servers::Mailbox;

use crate::{
    api::{order_with_payment, sample_order},
    harness::{Harness, worker_start_error},
};
use domain::OrderId;
use store::outbox::{self, Notification};

/// Starts a harness that sends mails to this mailbox without delay.
async fn start_with_mail(mailbox: &Mailbox, settings: &[(&str, &str)]) -> Harness {
    let url = mailbox.server.smtp_url.clone();
    let mail = [
        ("MAIL", "smtp"),
        ("SMTP_URL", url.as_str()),
        ("MAIL_FROM", SENDER),
        ("MAIL_DELAY", "0s"),
    ];
    Harness::start_with(&[&mail, settings].concat()).await
}

const SENDER: &str = "Shop <orders@shop.example>";

impl Harness {
    async fn list_outbox(&self, order_id: &str) -> Vec<Notification> {
        outbox::list(&self.pool, &OrderId::parse(order_id).unwrap())
            .await
            .unwrap()
    }

    /// Waits until the order has as many mails as `kinds` and none is pending; requires these kinds,
    /// each with this status.
    async fn expect_mails(&self, order_id: &str, status: &str, kinds: &[&str]) {
        let read = async || self.list_outbox(order_id).await;
        let settled = |rows: &Vec<Notification>| {
            rows.len() >= kinds.len() && rows.iter().all(|row| row.status != "pending")
        };
        let rows = self
            .wait_until("the end of all expected mails", read, settled)
            .await;
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.kind.as_str(), row.status.as_str()))
            .collect();
        let expected: Vec<_> = kinds.iter().map(|kind| (*kind, status)).collect();
        assert_eq!(found, expected, "{order_id}");
    }
}

/// Each return and each refund of an order has a separate mail.
#[tokio::test]
async fn return_and_refunds_send_their_mails() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[]).await;
    let mut order = order_with_payment("pmt-mail-rt");
    order["items"] =
        json!([{"sku": "A", "name": "Big mug", "quantity": 2, "unit_price": "1000.00"}]);
    harness
        .post("/orders/mail-rt/start", order)
        .await
        .expect_status(202);
    harness.wait_for_end("mail-rt").await;
    let post = async |path: &str, body: Value| {
        let path = format!("/orders/mail-rt/{path}");
        let headers = [("idempotency-key", path.as_str())];
        harness.post_with_headers(&path, body, &headers).await.body
    };
    let requested = post(
        "returns",
        json!({"items": [{"sku": "A", "quantity": 2, "reason": "private reason"}]}),
    )
    .await;
    let path = format!("returns/{}", requested["return_id"].as_str().unwrap());
    post(&format!("{path}/approve"), json!({})).await;
    let receipt = json!({"items": [{"sku": "A", "quantity": 1}]});
    post(&format!("{path}/receive"), receipt).await;
    let closed = async || harness.get(&format!("/orders/mail-rt/{path}")).await.body;
    harness
        .wait_until("the closed return", closed, |shown| {
            shown["state"] == "closed"
        })
        .await;
    post(
        "refunds",
        json!({"amount": "12.50", "reason": "private reason", "public_reason": "one mug was scratched"}),
    )
    .await;
    let own = ["return_received", "refund_completed", "refund_completed"];
    harness
        .expect_mails("mail-rt", "sent", &[&DELIVERED[..], &own].concat())
        .await;
    let mails = mailbox.list_mails().await;
    let expected = [
        ("Return received: mail-rt", "1 x Big mug", "USD 1,000.00"),
        ("Payment refunded: mail-rt", "mail-rt", "USD 1,000.00"),
        ("Payment refunded: mail-rt", "mail-rt", "USD 12.50"),
    ];
    for (mail, (subject, content, amount)) in mails[DELIVERED.len()..].iter().zip(expected) {
        assert_eq!(mail["subject"], subject);
        for body in ["text", "html"].map(|body| mail[body].as_str().unwrap()) {
            assert!(body.contains(content) && body.contains(amount), "{body}");
            assert!(
                !body.contains("private reason") && !body.contains("Main St"),
                "{body}"
            );
            // The refund of the return has no text for the customer.
            let has_reason = amount == "USD 12.50";
            assert_eq!(
                body.contains("Reason: one mug was scratched"),
                has_reason,
                "{body}"
            );
            assert_eq!(body.contains("Reason"), has_reason, "{body}");
        }
    }
    let mut ids: Vec<_> = mails
        .iter()
        .map(|mail| mail["headers"]["message-id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), mails.len());
    harness.assert_invariants().await;
}

const DELIVERED: [&str; 4] = [
    "order_received",
    "payment_confirmed",
    "order_shipped",
    "order_delivered",
];

#[tokio::test]
async fn delivered_and_cancelled_orders_send_their_mails() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[("MAIL_REPLY_TO", "help@shop.example")]).await;
    let mut order = order_with_payment("pmt-mail-1");
    order["items"] = json!([
        {"sku": "A", "name": "Laptop", "quantity": 2, "unit_price": "1234.50"},
        {"sku": "B", "quantity": 1, "unit_price": 1},
    ]);
    order["discounts"] = json!([{"code": "WELCOME", "amount": 70}]);
    order["shipping_amount"] = json!("4.90");
    order["gift_message"] = json!("Happy birthday!");
    harness
        .post("/orders/mail-1/start", order)
        .await
        .expect_status(202);
    assert_eq!(
        harness.wait_for_end("mail-1").await.status.as_str(),
        "delivered"
    );
    harness.expect_mails("mail-1", "sent", &DELIVERED).await;
    let mails = mailbox.list_mails().await;
    let subjects: Vec<_> = mails
        .iter()
        .map(|mail| mail["subject"].as_str().unwrap())
        .collect();
    let expected = [
        "Order received",
        "Payment confirmed",
        "Order shipped",
        "Order delivered",
    ];
    assert_eq!(
        subjects,
        expected.map(|subject| format!("{subject}: mail-1"))
    );
    for (mail, row) in mails.iter().zip(harness.list_outbox("mail-1").await) {
        assert_eq!(
            mail["to"],
            json!([{"address": "john@example.com", "name": "John Doe"}])
        );
        assert_eq!(
            mail["from"],
            json!([{"address": "orders@shop.example", "name": "Shop"}])
        );
        assert_eq!(mail["headers"]["reply-to"], "help@shop.example");
        assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
        let message_id = row.message_id.unwrap();
        assert!(message_id.ends_with("@shop.example"), "{message_id}");
        assert_eq!(mail["headers"]["message-id"], format!("<{message_id}>"));
        for body in ["text", "html"].map(|body| mail[body].as_str().unwrap()) {
            for part in [
                "John Doe",
                "Laptop",
                "USD 2,469.00",
                "WELCOME",
                "-USD 70.00",
                "Shipping",
                "USD 4.90",
                "USD 2,404.90",
                "Happy birthday!",
                "123 Main St",
                "Anytown, CA, 94102",
            ] {
                assert!(body.contains(part), "{part} is not in {body}");
            }
        }
        assert!(
            mail["html"]
                .as_str()
                .unwrap()
                .starts_with("<!DOCTYPE html>"),
            "{mail}"
        );
    }
    for body in ["text", "html"] {
        assert!(
            mails[2][body]
                .as_str()
                .unwrap()
                .contains("FEDEX-mail-1-PKG-001"),
            "{}",
            mails[2][body]
        );
        assert!(
            mails[2][body]
                .as_str()
                .unwrap()
                .contains("We expect it to be delivered by"),
            "{}",
            mails[2][body]
        );
    }

    for (id, request) in [("mail-2", "cancel"), ("mail-rejected", "signals/reject")] {
        mailbox.clear().await;
        let mut order = order_with_payment(&format!("pmt-{id}"));
        order["profile"] = json!("approval");
        harness
            .post(&format!("/orders/{id}/start"), order)
            .await
            .expect_status(202);
        harness.wait_for_step(id, "manual_review").await;
        harness
            .post(
                &format!("/orders/{id}/{request}"),
                json!({"reason": "chargeback ring 7", "public_reason": "I found <it> elsewhere"}),
            )
            .await
            .expect_status(200);
        harness
            .expect_mails(id, "sent", &["order_received", "order_cancelled"])
            .await;
        let mails = mailbox.list_mails().await;
        assert_eq!(mails[1]["subject"], format!("Order cancelled: {id}"));
        let (text, html) = (
            mails[1]["text"].as_str().unwrap(),
            mails[1]["html"].as_str().unwrap(),
        );
        assert!(
            text.contains("Reason: I found <it> elsewhere\nYou have not been charged."),
            "{text}"
        );
        assert!(html.contains("I found &#60;it&#62; elsewhere"), "{html}");
        assert!(!mails[1].to_string().contains("chargeback"), "{mails:?}");
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn failed_order_mail_reports_cancellation_and_refund() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[]).await;
    store::simulator::add_fault(
        &harness.pool,
        "dispatch",
        "mail-3",
        store::simulator::Fault::Fail,
        100,
    )
    .await
    .unwrap();
    harness
        .post("/orders/mail-3/start", order_with_payment("pmt-mail-3"))
        .await
        .expect_status(202);
    assert_eq!(
        harness.wait_for_end("mail-3").await.status.as_str(),
        "failed"
    );
    let kinds = ["order_received", "payment_confirmed", "order_cancelled"];
    harness.expect_mails("mail-3", "sent", &kinds).await;
    let mails = mailbox.list_mails().await;
    assert_eq!(mails[2]["subject"], "Order not completed: mail-3");
    let text = mails[2]["text"].as_str().unwrap();
    assert!(
        text.contains("Reason: the carrier could not take it\nYour payment "),
        "{text}"
    );
    assert!(text.contains(" refunded."), "{text}");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn mail_without_address_or_server_is_skipped() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[]).await;
    let mut order = order_with_payment("pmt-mail-4");
    order["customer"].as_object_mut().unwrap().remove("email");
    harness
        .post("/orders/mail-4/start", order)
        .await
        .expect_status(202);
    assert_eq!(
        harness.wait_for_end("mail-4").await.status.as_str(),
        "delivered"
    );
    harness.expect_mails("mail-4", "skipped", &DELIVERED).await;
    assert_eq!(mailbox.list_mails().await, Vec::<Value>::new());
    harness.assert_invariants().await;

    let silent = Harness::start().await;
    silent
        .post("/orders/mail-5/start", order_with_payment("pmt-mail-5"))
        .await
        .expect_status(202);
    assert_eq!(
        silent.wait_for_end("mail-5").await.status.as_str(),
        "delivered"
    );
    silent.expect_mails("mail-5", "skipped", &DELIVERED).await;
    let reasons: Vec<_> = silent
        .list_outbox("mail-5")
        .await
        .into_iter()
        .filter_map(|row| row.reason)
        .collect();
    assert_eq!(reasons, ["mail is off (MAIL=off)"; 4]);
    silent.assert_invariants().await;
}

#[tokio::test]
async fn worker_without_mail_settings_discards_no_mail() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = Harness::start_with(&[("MAIL", ""), ("MAIL_DELAY", "0s")]).await;
    let deliver = async |id: &str| {
        let order = order_with_payment(&format!("pmt-{id}"));
        harness
            .post(&format!("/orders/{id}/start"), order)
            .await
            .expect_status(202);
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    };
    deliver("unset-1").await;
    let warning =
        "SMTP_URL: not set, so this worker leaves mails pending; set SMTP_URL and MAIL_FROM";
    let log = harness
        .wait_until(
            "the warning",
            async || harness.read_log("worker"),
            |log| log.contains(warning),
        )
        .await;
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    // The mails wait for a worker that has a mail server.
    let rows = harness.list_outbox("unset-1").await;
    assert!(rows.iter().all(|row| row.status == "pending"), "{rows:?}");
    let url = mailbox.server.smtp_url.as_str();
    let _second = harness
        .start_another_worker("second", &[("SMTP_URL", url), ("MAIL_FROM", SENDER)])
        .await;
    deliver("unset-2").await;
    for id in ["unset-1", "unset-2"] {
        harness.expect_mails(id, "sent", &DELIVERED).await;
    }
    assert_eq!(mailbox.list_mails().await.len(), 8);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn hostile_customer_input_injects_no_header_or_markup() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[]).await;
    let mut order = order_with_payment("pmt-mail-6");
    order["customer"]["name"] = json!("Eve\r\nBcc: victim@example.com");
    harness
        .post("/orders/mail-6/start", order.clone())
        .await
        .expect_problem(422, "invalid_request");
    // Accepted input appears as text only.
    let name = r#"Eve", <victim@example.com>, "<script>alert(1)</script>"#;
    order["customer"]["name"] = json!(name);
    order["items"][0]["name"] = json!("<img src=x onerror=alert(1)> & more");
    order["shipping_address"]["street"] = json!("1 <b>Main</b> St\u{2028}Bcc: victim@example.com");
    harness
        .post("/orders/mail-6/start", order)
        .await
        .expect_status(202);
    assert_eq!(
        harness.wait_for_end("mail-6").await.status.as_str(),
        "delivered"
    );
    harness.expect_mails("mail-6", "sent", &DELIVERED).await;
    for mail in mailbox.list_mails().await {
        assert_eq!(
            mail["to"],
            json!([{"address": "john@example.com", "name": name}])
        );
        assert_eq!(
            mail["envelope"]["to"].as_array().unwrap().len(),
            1,
            "{}",
            mail["envelope"]
        );
        assert_eq!(mail["headers"]["bcc"], Value::Null);
        let html = mail["html"].as_str().unwrap();
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.contains("<b>"),
            "{html}"
        );
        assert!(
            html.contains("&#60;script&#62;") && html.contains("&#60;img src=x"),
            "{html}"
        );
        let text = mail["text"].as_str().unwrap();
        assert!(
            text.contains("<img src=x onerror=alert(1)> & more"),
            "{text}"
        );
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn mail_waits_for_the_configured_delay() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    // The test does not wait for an hour. It checks that no mail is sent when the order ends.
    let harness = start_with_mail(&mailbox, &[("MAIL_DELAY", "1h")]).await;
    harness
        .post("/orders/mail-7/start", order_with_payment("pmt-mail-7"))
        .await
        .expect_status(202);
    assert_eq!(
        harness.wait_for_end("mail-7").await.status.as_str(),
        "delivered"
    );
    let rows = harness.list_outbox("mail-7").await;
    assert!(
        rows.iter()
            .all(|row| row.status == "pending" && row.attempts == 0),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 4);
    assert_eq!(mailbox.list_mails().await, Vec::<Value>::new());
    harness.assert_invariants().await;
}

#[tokio::test]
async fn invalid_mail_setting_fails_in_one_line() {
    let stderr = worker_start_error(&[("MAIL", "carrier pigeon")]).await;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("MAIL=carrier pigeon: unknown value; allowed: smtp, off"),
        "{stderr}"
    );
    let stderr = worker_start_error(&[
        ("SMTP_URL", "smtp://shop:secret@mail.example.com"),
        ("MAIL_FROM", SENDER),
    ])
    .await;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("SMTP_URL=…: the password would not be encrypted"),
        "{stderr}"
    );
    assert!(!stderr.contains("secret"), "{stderr}");
}

#[tokio::test]
async fn out_of_stock_order_sends_cancellation_mail() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[]).await;
    let mut order = sample_order();
    order["items"][0]["quantity"] = json!(10_000);
    store::inventory::set_available(&harness.pool, &domain::Sku::parse("ABC123").unwrap(), 3)
        .await
        .unwrap();
    let id = harness.post("/orders", order).await.expect_started();
    assert_eq!(
        harness
            .wait_for_end(&id)
            .await
            .failure
            .unwrap()
            .code
            .as_str(),
        "out_of_stock"
    );
    // The order was received and then failed. The mails report both, and that nothing was charged.
    harness
        .expect_mails(&id, "sent", &["order_received", "order_cancelled"])
        .await;
    let text = mailbox.list_mails().await[1]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        text.contains("not available in this quantity: Laptop\nYou have not been charged."),
        "{text}"
    );
    assert!(!text.contains("has 3 left"), "{text}");
    harness.assert_invariants().await;
}
