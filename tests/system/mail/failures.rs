//! Outages, refusals and crashes: each mail is still sent, normally once.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;

use super::{
    DELIVERED, SENDER,
    claims::write_order_with_mails,
    servers::{HangingServer, MailProvider, Mailbox},
    start_with_mail,
};
use crate::{api::order_with_payment, harness::Harness};
use store::outbox::Notification;

async fn start_order(harness: &Harness, id: &str, email: &str) {
    let mut order = order_with_payment(&format!("pmt-{id}"));
    order["customer"]["email"] = json!(email);
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
}

#[tokio::test]
async fn mail_outage_delays_mails_but_no_order() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[]).await;
    mailbox.server.process.stop().await;
    for id in ["down-1", "down-2"] {
        start_order(&harness, id, "john@example.com").await;
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    }
    // The row has the reason of the delay. An outage of the server does not count as an attempt.
    let tried = async || harness.list_outbox("down-1").await;
    let rows = harness
        .wait_until("an attempt to send", tried, |rows: &Vec<Notification>| {
            rows[0].reason.is_some()
        })
        .await;
    assert!(rows.iter().all(|row| row.status == "pending"), "{rows:?}");
    mailbox.server.process.restart().await.unwrap();
    for id in ["down-1", "down-2"] {
        harness.expect_mails(id, "sent", &DELIVERED).await;
    }
    assert_eq!(mailbox.list_mails().await.len(), 8);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn killed_worker_loses_and_duplicates_no_mail() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[("SHIPPING_DELAY", "1s")]).await;
    let ids: Vec<String> = (0..12).map(|number| format!("killed-{number}")).collect();
    let kills = async {
        for kill in 1..=3 {
            let arrived = async || mailbox.list_mails().await.len();
            harness
                .wait_until("more mails", arrived, |count| *count >= kill * 6)
                .await;
            harness.worker.kill().await;
            harness.worker.restart().await.unwrap();
        }
    };
    futures::join!(
        join_all(
            ids.iter()
                .map(|id| start_order(&harness, id, "john@example.com"))
        ),
        kills
    );
    let mut sent = BTreeSet::new();
    for id in &ids {
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
        harness.expect_mails(id, "sent", &DELIVERED).await;
        sent.extend(
            harness
                .list_outbox(id)
                .await
                .into_iter()
                .map(|row| format!("<{}>", row.message_id.unwrap())),
        );
    }
    // Each mail arrives at least once, and repeats have the Message-ID of their row.
    let arrived = mailbox.list_mails().await;
    let arrived: BTreeSet<_> = arrived
        .iter()
        .map(|mail| mail["headers"]["message-id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(arrived, sent);
    assert_eq!(sent.len(), 48);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn two_workers_send_each_mail_once() {
    let Some(mailbox) = Mailbox::start().await else {
        return;
    };
    let harness = start_with_mail(&mailbox, &[]).await;
    let _second = harness.start_another_worker("second", &[]).await;
    let ids: Vec<String> = (0..20).map(|number| format!("two-{number}")).collect();
    join_all(
        ids.iter()
            .map(|id| start_order(&harness, id, "john@example.com")),
    )
    .await;
    for id in &ids {
        assert_eq!(
            harness.wait_for_end(id).await.status.as_str(),
            "delivered",
            "{id}"
        );
        harness.expect_mails(id, "sent", &DELIVERED).await;
    }
    assert_eq!(mailbox.list_mails().await.len(), 80);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn rejected_recipients_are_recorded_as_failed() {
    let Some(provider) = MailProvider::start().await else {
        return;
    };
    let url = format!(
        "smtp://shop:p%40ss%3Aword@localhost:{}?tls=required",
        provider.port
    );
    let settings = [
        ("MAIL", "smtp"),
        ("SMTP_URL", url.as_str()),
        ("SMTP_CA_FILE", provider.authority.as_str()),
        ("MAIL_FROM", SENDER),
        ("MAIL_DELAY", "0s"),
    ];
    let harness = Harness::start_with(&settings).await;
    for (id, email) in [
        ("tls-1", "nobody@example.com"),
        ("tls-2", "later@example.com"),
        ("tls-3", "john@example.com"),
    ] {
        start_order(&harness, id, email).await;
    }
    for id in ["tls-1", "tls-2", "tls-3"] {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    }
    harness.expect_mails("tls-3", "sent", &DELIVERED).await;
    // A permanent refusal is recorded with the server's reply.
    harness.expect_mails("tls-1", "failed", &DELIVERED).await;
    let reason = harness.list_outbox("tls-1").await[0]
        .reason
        .clone()
        .unwrap();
    assert!(
        reason.contains("550") && reason.contains("there is no such mailbox"),
        "{reason}"
    );
    // A temporary refusal delays the first mail, and later mails wait for it.
    let tried = async || harness.list_outbox("tls-2").await;
    let rows = harness
        .wait_until("an attempt to send", tried, |rows: &Vec<Notification>| {
            rows[0].reason.is_some()
        })
        .await;
    assert!(rows.iter().all(|row| row.status == "pending"), "{rows:?}");
    assert_eq!(
        rows.iter().map(|row| row.attempts).collect::<Vec<_>>(),
        [1, 0, 0, 0]
    );
    let accepted = provider.accepted_mails().await;
    assert_eq!(accepted.len(), 4);
    for mail in accepted {
        assert_eq!(
            (&mail["to"], &mail["user"], &mail["secure"]),
            (&json!(["john@example.com"]), &json!("shop"), &json!(true))
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn misconfigured_mail_server_leaves_mails_pending() {
    let Some(provider) = MailProvider::start().await else {
        return;
    };
    let wrong = format!("smtp://shop:guess@localhost:{}?tls=required", provider.port);
    let right = format!(
        "smtp://shop:p%40ss%3Aword@localhost:{}?tls=required",
        provider.port
    );
    let common = [
        ("MAIL", "smtp"),
        ("MAIL_FROM", SENDER),
        ("MAIL_DELAY", "0s"),
    ];
    for (id, text, settings) in [
        (
            "shut-1",
            "535",
            vec![
                ("SMTP_URL", wrong.as_str()),
                ("SMTP_CA_FILE", provider.authority.as_str()),
            ],
        ),
        ("shut-2", "certificate", vec![("SMTP_URL", right.as_str())]),
    ] {
        let harness = Harness::start_with(&[&common, settings.as_slice()].concat()).await;
        start_order(&harness, id, "john@example.com").await;
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
        let tried = async || harness.list_outbox(id).await;
        let rows = harness
            .wait_until("an attempt to send", tried, |rows: &Vec<Notification>| {
                rows[0].reason.is_some()
            })
            .await;
        assert!(
            rows.iter()
                .all(|row| row.status == "pending" && row.attempts <= 1),
            "{rows:?}"
        );
        assert!(rows[0].reason.as_ref().unwrap().contains(text), "{rows:?}");
    }
    assert_eq!(provider.accepted_mails().await.len(), 0);
}

#[tokio::test]
async fn hanging_mail_delays_no_other_order() {
    const ORDERS: usize = 100;
    // Without a mail server, the worker leaves the mails pending.
    let harness = Harness::start_with(&[("MAIL", ""), ("MAIL_DELAY", "0s")]).await;
    write_order_with_mails(&harness.pool, "hangs", "hangs@example.com", 1).await;
    for number in 0..ORDERS {
        let (id, email) = (format!("flows-{number}"), format!("{number}@example.com"));
        write_order_with_mails(&harness.pool, &id, &email, 3).await;
    }
    // The server accepts the first mail when it has accepted many others. A sender that waits for
    // the slowest mail would never send so many.
    let server = HangingServer::start("hangs@example.com", ORDERS).await;
    let settings = [
        ("SMTP_URL", server.smtp_url.as_str()),
        ("MAIL_FROM", SENDER),
    ];
    let _sender = harness.start_another_worker("sender", &settings).await;
    harness.expect_mails("hangs", "sent", &DELIVERED[..1]).await;
    for number in 0..ORDERS {
        harness
            .expect_mails(&format!("flows-{number}"), "sent", &DELIVERED[..3])
            .await;
    }
    assert_eq!(server.tries(), 1, "{}", harness.read_log("sender"));
    let mails = server.accepted_mails();
    assert_eq!(mails.len(), 3 * ORDERS + 1);
    for number in 0..ORDERS {
        let of_order = mails
            .iter()
            .filter(|(to, _)| *to == format!("{number}@example.com"));
        let subjects: Vec<_> = of_order.map(|(_, subject)| subject.as_str()).collect();
        let expected = ["Order received", "Payment confirmed", "Order shipped"]
            .map(|subject| format!("{subject}: flows-{number}"));
        assert_eq!(subjects, expected);
    }
    harness.assert_invariants().await;
}
