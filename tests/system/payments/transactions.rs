//! One transaction pays one order and has one row, whichever interface reports it, and how often.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    Adyen, Checkout, Entry, NOTHING, PAYING, Square, Standard, Stripe, TOTAL, audit_payloads,
    cancel, confirm, count_audit_events, create_order, expect_end, intent_of, ledger_of,
    list_audit_kinds, order_of, post_adyen, post_stripe, report, run_cases, start_order,
    start_shop, wait_for_audit_event, work_list_about, work_list_of,
};
use crate::{
    harness::Harness,
    settlements::WebhookSender,
    stripe::localstripe::{API_KEY, Localstripe},
};
use domain::WebhookProvider;
use payment_webhooks::SampleKind::{Captured, Paid, Refunded};

async fn status_of(harness: &Harness, id: &str) -> Value {
    harness.get(&format!("/orders/{id}/status")).await.body["status"].clone()
}

/// Asserts that the order refused this transaction of another order, and cancels it.
async fn expect_refusal(harness: &Harness, id: &str, transaction_id: &str) {
    assert_eq!(status_of(harness, id).await, "pending", "{transaction_id}");
    let refusals = audit_payloads(harness, id, "request_refused").await;
    assert_eq!(refusals.len(), 1, "{transaction_id}: {refusals:?}");
    assert_eq!(refusals[0]["transaction_id"], transaction_id);
    assert_eq!(refusals[0]["code"], "payment_id_in_use");
    assert_eq!(refusals[0]["amount"].as_f64(), Some(50.0));
    assert_eq!(work_list_of(harness, id).await, NOTHING, "{transaction_id}");
    cancel(harness, id).await;
}

// PAY-01
#[tokio::test]
async fn transaction_of_one_order_never_pays_another() {
    let harness = start_shop(&[]).await;
    let of_provider = async |provider| {
        let paid = create_order(&harness).await;
        let transaction_id = format!("one-{provider}");
        let kind = (provider, Paid);
        assert_eq!(
            report(&harness, kind, &paid, &transaction_id, TOTAL).await,
            "applied",
            "{provider}"
        );
        let other = create_order(&harness).await;
        confirm(&harness, &other, &transaction_id, 50.0)
            .await
            .expect_problem(409, "payment_id_in_use");
        expect_refusal(&harness, &other, &transaction_id).await;
        // Adyen's event ids are made of signed fields, so its second event is a capture.
        let kind = if provider == Adyen { Captured } else { Paid };
        let third = create_order(&harness).await;
        assert_eq!(
            report(&harness, (provider, kind), &third, &transaction_id, TOTAL).await,
            "known",
            "{provider}"
        );
        expect_refusal(&harness, &third, &transaction_id).await;
        expect_end(&harness, &paid, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &transaction_id).await,
            [Entry::paid(provider, &paid, 5_000)]
        );
        assert_eq!(work_list_of(&harness, &paid).await, NOTHING, "{provider}");
    };
    let of_api = async |provider| {
        let paid = create_order(&harness).await;
        let transaction_id = format!("api-{provider}");
        confirm(&harness, &paid, &transaction_id, 50.0)
            .await
            .expect_status(200);
        let other = create_order(&harness).await;
        confirm(&harness, &other, &transaction_id, 50.0)
            .await
            .expect_problem(409, "payment_id_in_use");
        expect_refusal(&harness, &other, &transaction_id).await;
        let third = create_order(&harness).await;
        let kind = (provider, Paid);
        assert_eq!(
            report(&harness, kind, &third, &transaction_id, TOTAL).await,
            "known",
            "{provider}"
        );
        expect_refusal(&harness, &third, &transaction_id).await;
        expect_end(&harness, &paid, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &transaction_id).await,
            [Entry::paid(provider, &paid, 5_000)]
        );
    };
    run_cases(PAYING.map(of_provider)).await;
    run_cases(PAYING.map(of_api)).await;
    harness.assert_invariants().await;
}

// PAY-02
#[tokio::test]
async fn late_event_of_confirmed_payment_is_known() {
    let harness = start_shop(&[]).await;
    let of_provider = async |provider| {
        let id = create_order(&harness).await;
        let transaction_id = format!("confirmed-{provider}");
        confirm(&harness, &id, &transaction_id, 50.0)
            .await
            .expect_status(200);
        expect_end(&harness, &id, "delivered").await;
        assert_eq!(
            ledger_of(&harness, &transaction_id).await,
            [Entry::paid("external", &id, 5_000)]
        );
        let before = list_audit_kinds(&harness, &id).await;
        let kind = (provider, Paid);
        for order in [id.as_str(), "an-order-of-nobody"] {
            assert_eq!(
                report(&harness, kind, order, &transaction_id, TOTAL).await,
                "known",
                "{provider}"
            );
        }
        // The confirmation is repeated, too.
        confirm(&harness, &id, &transaction_id, 50.0).await;
        assert_eq!(
            ledger_of(&harness, &transaction_id).await,
            [Entry::paid(provider, &id, 5_000)]
        );
        assert_eq!(list_audit_kinds(&harness, &id).await, before, "{provider}");
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");
    };
    run_cases(PAYING.map(of_provider)).await;
    harness.assert_invariants().await;
}

// PAY-02, variant; PAY-05
#[tokio::test]
async fn event_of_refunded_payment_requests_no_refund() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let confirmed = async |provider| {
        let id = create_order(&harness).await;
        let transaction_id = format!("returned-{provider}");
        confirm(&harness, &id, &transaction_id, 50.0)
            .await
            .expect_status(200);
        harness.wait_for_status(&id, "preparing").await;
        harness
            .post(&format!("/orders/{id}/signals/cancel-payment"), json!({}))
            .await
            .expect_status(200);
        wait_for_audit_event(&harness, &id, "payment_refunded").await;
        cancel(&harness, &id).await;
        let before = list_audit_kinds(&harness, &id).await;
        let movements = harness.provider_movements(&id).await;
        let kind = (provider, Paid);
        assert_eq!(
            report(&harness, kind, &id, &transaction_id, TOTAL).await,
            "known",
            "{provider}"
        );
        assert_eq!(
            ledger_of(&harness, &transaction_id).await,
            [Entry::paid(provider, &id, 5_000).with_refunded(5_000)]
        );
        assert_eq!(list_audit_kinds(&harness, &id).await, before, "{provider}");
        assert_eq!(
            harness.provider_movements(&id).await,
            movements,
            "{provider}"
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");
    };
    // The simulator cannot refund a payment of another provider, so an operator must.
    let reported = async |provider| {
        let id = create_order(&harness).await;
        let transaction_id = format!("twice-{provider}");
        let kind = (provider, Paid);
        report(&harness, kind, &id, &transaction_id, TOTAL).await;
        harness.wait_for_status(&id, "preparing").await;
        cancel(&harness, &id).await;
        let before = list_audit_kinds(&harness, &id).await;
        let due = [format!("refund_due 50.00 {transaction_id}")];
        assert_eq!(work_list_of(&harness, &id).await, due, "{provider}");
        let outcome = report_again(&harness, provider, &id, &transaction_id).await;
        assert_eq!(outcome, "known", "{provider}");
        assert_eq!(
            ledger_of(&harness, &transaction_id).await,
            [Entry::paid(provider, &id, 5_000).with_due(5_000)]
        );
        assert_eq!(list_audit_kinds(&harness, &id).await, before, "{provider}");
        assert_eq!(work_list_of(&harness, &id).await, due, "{provider}");
    };
    run_cases(PAYING.map(confirmed)).await;
    run_cases(PAYING.map(reported)).await;
    harness.assert_invariants().await;
}

/// Reports a paid payment once more, in another event about the same money. Returns the outcome.
async fn report_again(
    harness: &Harness,
    provider: WebhookProvider,
    id: &str,
    transaction_id: &str,
) -> String {
    match provider {
        Stripe => {
            let session = json!({
                "id": format!("cs_{transaction_id}"), "payment_intent": transaction_id,
                "payment_status": "paid", "amount_total": 5_000, "currency": "usd",
                "client_reference_id": id,
            });
            let event_id = format!("evt-session-{id}");
            post_stripe(harness, &event_id, "checkout.session.completed", session).await
        }
        Adyen => report(harness, (provider, Captured), id, transaction_id, TOTAL).await,
        // Another spelling of the amount makes it another event.
        _ => report(harness, (provider, Paid), id, transaction_id, "50.0").await,
    }
}

/// A server that accepts the requests of Adyen's adapter, and counts them.
struct FakeAdyen {
    url: String,
    requests: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl FakeAdyen {
    async fn start() -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let accept = move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move { Json(json!({"pspReference": format!("R{number}"), "status": "received"})) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(accept);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            requests,
            server,
        }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FakeAdyen {
    fn drop(&mut self) {
        self.server.abort();
    }
}

// PAY-05, with a refund whose result arrives later
#[tokio::test]
async fn accepted_refund_is_requested_once() {
    let adyen = FakeAdyen::start().await;
    let harness = start_shop(&[
        ("SHIPPING_DELAY", "60s"),
        ("ADYEN_API_KEY", "key"),
        ("ADYEN_MERCHANT_ACCOUNT", "Orderflow"),
        ("ADYEN_API_BASE", &adyen.url),
    ])
    .await;
    let id = create_order(&harness).await;
    let psp = "accepted-refund";
    report(&harness, (Adyen, Paid), &id, psp, TOTAL).await;
    harness.wait_for_status(&id, "preparing").await;
    cancel(&harness, &id).await;
    expect_end(&harness, &id, "cancelled").await;
    assert_eq!(adyen.requests(), 1);
    let status = async || ledger_of(&harness, psp).await[0].status.clone();
    assert_eq!(status().await, "refunding");
    report_again(&harness, Adyen, &id, psp).await;
    assert_eq!(status().await, "refunding");
    assert_eq!(adyen.requests(), 1);
    // More money is another refund.
    let capture = ("CAPTURE", Some("accepted-refund-capture"));
    post_adyen(&harness, capture, &id, psp, 1_000).await;
    assert_eq!(adyen.requests(), 2);
    post_adyen(&harness, ("REFUND", Some("R0")), &id, psp, 5_000).await;
    post_adyen(&harness, ("REFUND", Some("R1")), &id, psp, 1_000).await;
    assert_eq!(
        ledger_of(&harness, psp).await,
        [Entry::paid(Adyen, &id, 6_000).with_refunded(6_000)]
    );
    harness.assert_invariants().await;
}

// PAY-06
#[tokio::test]
async fn success_event_after_provider_refund_is_known() {
    let harness = start_shop(&[]).await;
    let of_provider = async |provider| {
        let id = create_order(&harness).await;
        let transaction_id = format!("refunded-{provider}");
        report(&harness, (provider, Paid), &id, &transaction_id, TOTAL).await;
        expect_end(&harness, &id, "delivered").await;
        let kind = (provider, Refunded);
        assert_eq!(
            report(&harness, kind, &id, &transaction_id, TOTAL).await,
            "recorded",
            "{provider}"
        );
        wait_for_audit_event(&harness, &id, "payment_refund_reported").await;
        let before = list_audit_kinds(&harness, &id).await;
        let outcome = report_again(&harness, provider, &id, &transaction_id).await;
        assert_eq!(outcome, "known", "{provider}");
        assert_eq!(
            ledger_of(&harness, &transaction_id).await,
            [Entry::paid(provider, &id, 5_000).with_refunded(5_000)]
        );
        assert_eq!(list_audit_kinds(&harness, &id).await, before, "{provider}");
        assert_eq!(work_list_of(&harness, &id).await, NOTHING, "{provider}");
    };
    run_cases(PAYING.map(of_provider)).await;
    harness.assert_invariants().await;
}

// PAY-03
#[tokio::test]
async fn money_for_a_used_payment_id_is_due() {
    let harness = start_shop(&[]).await;
    let of_provider = async |provider| {
        let mut order = order_of(TOTAL, "USD");
        order["payment"] = json!({"payment_id": format!("P1-{provider}")});
        let paid = start_order(&harness, order.clone()).await;
        let refused = start_order(&harness, order.clone()).await;
        let late = start_order(&harness, order).await;
        let [first, second, third] = ["T1", "T2", "T3"].map(|name| format!("{name}-{provider}"));
        let kind = (provider, Paid);
        assert_eq!(
            report(&harness, kind, &paid, &first, TOTAL).await,
            "applied",
            "{provider}"
        );
        assert_eq!(
            report(&harness, kind, &refused, &second, TOTAL).await,
            "refund_due",
            "{provider}"
        );
        // The same money in another event, and a payment by the API, which it refuses.
        let kind = if provider == Adyen { Captured } else { Paid };
        let again = report(&harness, (provider, kind), &refused, &second, "50.0").await;
        assert!(["refund_due", "known"].contains(&again.as_str()), "{again}");
        confirm(&harness, &late, &third, 50.0)
            .await
            .expect_problem(409, "payment_refunded");
        expect_end(&harness, &paid, "delivered").await;
        for id in [&refused, &late] {
            let view = expect_end(&harness, id, "failed").await;
            assert_eq!(
                view.failure.unwrap().code.as_str(),
                "payment_id_in_use",
                "{provider}"
            );
            let declined = audit_payloads(&harness, id, "payment_declined").await;
            assert_eq!(declined[0]["amount"].as_f64(), Some(50.0), "{provider}");
        }
        assert_eq!(
            ledger_of(&harness, &first).await,
            [Entry::paid(provider, &paid, 5_000)]
        );
        assert_eq!(
            ledger_of(&harness, &second).await,
            [Entry::paid(provider, &refused, 5_000).with_due(5_000)]
        );
        assert_eq!(
            work_list_about(&harness, &second).await,
            [format!("refund_due 50.00 {second}")]
        );
        // The simulator refunds money of the API.
        assert_eq!(
            ledger_of(&harness, &third).await,
            [Entry::paid("external", &late, 5_000).with_refunded(5_000)]
        );
        // The event of the money that the API reported. It is refunded once.
        let again = report(&harness, (provider, Paid), &late, &third, TOTAL).await;
        assert!(["known", "refunded"].contains(&again.as_str()), "{again}");
        assert_eq!(
            ledger_of(&harness, &third).await,
            [Entry::paid(provider, &late, 5_000).with_refunded(5_000)]
        );
    };
    run_cases(PAYING.map(of_provider)).await;
    harness.assert_invariants().await;
}

// PAY-04
#[tokio::test]
async fn second_transaction_with_same_payment_id_is_due() {
    let harness = start_shop(&[("DELIVERY", "auto:60s")]).await;
    let of_provider = async |provider, delivered: bool| {
        let payment_id = format!("P4-{provider}-{delivered}");
        let mut order = order_of(TOTAL, "USD");
        order["payment"] = json!({"payment_id": payment_id});
        let id = start_order(&harness, order).await;
        let transactions = ["first", "second"].map(|name| format!("{name}-{payment_id}"));
        let pay = async |transaction_id: &str| {
            if provider != Stripe {
                return report(&harness, (provider, Paid), &id, transaction_id, TOTAL).await;
            }
            let mut intent = intent_of(&id, transaction_id, 5_000);
            intent["metadata"]["payment_id"] = json!(payment_id);
            let event_id = format!("evt-{transaction_id}");
            post_stripe(&harness, &event_id, "payment_intent.succeeded", intent).await
        };
        assert_eq!(pay(&transactions[0]).await, "applied", "{provider}");
        if delivered {
            harness.wait_for_status(&id, "shipped").await;
            harness
                .post(&format!("/orders/{id}/signals/confirm-delivery"), json!({}))
                .await
                .expect_status(200);
            expect_end(&harness, &id, "delivered").await;
        }
        assert_eq!(pay(&transactions[1]).await, "refund_due", "{provider}");
        wait_for_audit_event(&harness, &id, "stray_payment_refund_due").await;
        let entries = audit_payloads(&harness, &id, "stray_payment_refund_due").await;
        assert_eq!(entries.len(), 1, "{provider}: {entries:?}");
        assert_eq!(entries[0]["transaction_id"], transactions[1]);
        assert_eq!(
            ledger_of(&harness, &transactions[0]).await,
            [Entry::paid(provider, &id, 5_000)]
        );
        assert_eq!(
            ledger_of(&harness, &transactions[1]).await,
            [Entry::paid(provider, &id, 5_000).with_due(5_000)]
        );
        assert_eq!(
            work_list_of(&harness, &id).await,
            [format!("refund_due 50.00 {}", transactions[1])]
        );
        if !delivered {
            let body = harness.get(&format!("/orders/{id}")).await.body;
            assert_eq!(body["payment_info"]["transaction_id"], transactions[0]);
        }
    };
    run_cases(PAYING.map(|provider| of_provider(provider, false))).await;
    run_cases(PAYING.map(|provider| of_provider(provider, true))).await;
    harness.assert_invariants().await;
}

// PAY-07
#[tokio::test]
async fn subscription_session_and_its_intent_are_one_payment() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "1s")]).await;
    let session = |id: &str, amount: i64| {
        json!({
            "id": format!("cs_{id}"), "mode": "subscription", "payment_status": "paid",
            "amount_total": amount, "currency": "usd", "payment_intent": null,
            "invoice": format!("in_{id}"), "client_reference_id": id,
        })
    };
    let intent = |id: &str, amount: i64| {
        let mut intent = intent_of(id, &format!("pi_{id}"), amount);
        intent["metadata"] = json!({});
        intent
    };
    let expect_one_payment = async |id: &str, amount: i64| {
        expect_end(&harness, id, "delivered").await;
        for name in ["cs", "pi"] {
            assert_eq!(
                ledger_of(&harness, &format!("{name}_{id}")).await,
                [Entry::paid(Stripe, id, amount)]
            );
        }
        assert_eq!(work_list_of(&harness, id).await, NOTHING);
        assert_eq!(
            work_list_about(&harness, &format!("pi_{id}")).await,
            NOTHING
        );
        assert_eq!(
            count_audit_events(&harness, id, "payment_confirmed").await,
            1
        );
    };
    // Stripe's documented order of the events, and the intent first.
    let documented = async {
        let id = start_order(&harness, order_of("51.07", "USD")).await;
        let event_id = format!("evt-cs-{id}");
        let completed = session(&id, 5_107);
        assert_eq!(
            post_stripe(&harness, &event_id, "checkout.session.completed", completed).await,
            "applied"
        );
        let event_id = format!("evt-pi-{id}");
        let succeeded = intent(&id, 5_107);
        assert_eq!(
            post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await,
            "known"
        );
        expect_one_payment(&id, 5_107).await;
    };
    // Two subscriptions have the same price. The event of the invoice's payment has both ids.
    let same_price = async {
        let ids = [(); 2].map(|()| start_order(&harness, order_of("52.07", "USD")));
        let ids = join_all(ids).await;
        for id in &ids {
            let event_id = format!("evt-cs-{id}");
            let completed = session(id, 5_207);
            assert_eq!(
                post_stripe(&harness, &event_id, "checkout.session.completed", completed).await,
                "applied"
            );
        }
        for id in &ids {
            let payment = json!({
                "id": format!("inpay_{id}"), "object": "invoice_payment", "amount_paid": 5_207,
                "currency": "usd", "invoice": format!("in_{id}"), "status": "paid",
                "payment": {"type": "payment_intent", "payment_intent": format!("pi_{id}")},
            });
            let event_id = format!("evt-inpay-{id}");
            assert_eq!(
                post_stripe(&harness, &event_id, "invoice_payment.paid", payment).await,
                "known"
            );
            let event_id = format!("evt-pi-{id}");
            let succeeded = intent(id, 5_207);
            assert_eq!(
                post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await,
                "known"
            );
        }
        for id in &ids {
            expect_one_payment(id, 5_207).await;
        }
    };
    // Their events name their customers, and no event has both ids.
    let customers = async {
        let ids = [(); 2].map(|()| start_order(&harness, order_of("55.07", "USD")));
        let ids = join_all(ids).await;
        let of_customer = |mut object: Value, id: &str| {
            object["customer"] = json!(format!("cus_{id}"));
            object
        };
        // The intent of another customer is unmatched when the sessions arrive.
        let stranger = of_customer(intent("stranger", 5_507), "stranger");
        let event_type = "payment_intent.succeeded";
        post_stripe(&harness, "evt-pi-stranger", event_type, stranger).await;
        for id in &ids {
            let event_id = format!("evt-cs-{id}");
            let completed = of_customer(session(id, 5_507), id);
            let event_type = "checkout.session.completed";
            assert_eq!(
                post_stripe(&harness, &event_id, event_type, completed).await,
                "applied"
            );
        }
        for id in ids.iter().rev() {
            let event_id = format!("evt-pi-{id}");
            let succeeded = of_customer(intent(id, 5_507), id);
            assert_eq!(
                post_stripe(&harness, &event_id, event_type, succeeded).await,
                "known"
            );
        }
        for id in &ids {
            expect_one_payment(id, 5_507).await;
        }
        assert_eq!(
            work_list_about(&harness, "pi_stranger").await,
            ["unmatched 55.07 pi_stranger"]
        );
    };
    // The intent outlasts the grace before its session arrives, so it is unmatched first.
    let late_session = async {
        let id = start_order(&harness, order_of("53.07", "USD")).await;
        let event_id = format!("evt-pi-{id}");
        let mut succeeded = intent(&id, 5_307);
        succeeded["latest_charge"] = json!(format!("ch_{id}"));
        assert_eq!(
            post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await,
            "refund_due"
        );
        let transaction_id = format!("pi_{id}");
        assert_eq!(
            work_list_about(&harness, &transaction_id).await,
            [format!("unmatched 53.07 {transaction_id}")]
        );
        let event_id = format!("evt-cs-{id}");
        let completed = session(&id, 5_307);
        assert_eq!(
            post_stripe(&harness, &event_id, "checkout.session.completed", completed).await,
            "applied"
        );
        expect_one_payment(&id, 5_307).await;
    };
    // Two unmatched intents have the price of the session, so an operator must decide.
    let ambiguous = async {
        let id = start_order(&harness, order_of("54.07", "USD")).await;
        let intents = [format!("{id}-1"), format!("{id}-2")];
        for name in &intents {
            let event_id = format!("evt-pi-{name}");
            let succeeded = intent(name, 5_407);
            post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await;
        }
        let event_id = format!("evt-cs-{id}");
        let completed = session(&id, 5_407);
        post_stripe(&harness, &event_id, "checkout.session.completed", completed).await;
        expect_end(&harness, &id, "delivered").await;
        for name in &intents {
            let transaction_id = format!("pi_{name}");
            assert_eq!(
                work_list_about(&harness, &transaction_id).await,
                [format!("unmatched 54.07 {transaction_id}")]
            );
        }
    };
    futures::join!(documented, same_price, customers, late_session, ambiguous);
    harness.assert_invariants().await;
}

// PAY-08
#[tokio::test]
async fn paid_invoice_pays_the_order_it_names() {
    let harness = start_shop(&[]).await;
    // Older API versions name the intent, newer ones list the payments.
    let invoices = [
        json!({"payment_intent": "pi_invoice_old"}),
        json!({"payments": {"data": [{"payment": {
            "type": "payment_intent", "payment_intent": "pi_invoice_new",
        }}]}}),
    ];
    let pay = async |(number, more): (usize, Value)| {
        let id = create_order(&harness).await;
        let mut invoice = json!({
            "id": format!("in_{number}"), "object": "invoice", "amount_paid": 5_000, "currency": "usd",
            "metadata": {"order_id": id},
        });
        let fields = more.as_object().unwrap().clone();
        invoice.as_object_mut().unwrap().extend(fields);
        let event_id = format!("evt-invoice-{number}");
        assert_eq!(
            post_stripe(&harness, &event_id, "invoice.paid", invoice.clone()).await,
            "applied"
        );
        let event_id = format!("evt-invoice-succeeded-{number}");
        assert_eq!(
            post_stripe(&harness, &event_id, "invoice.payment_succeeded", invoice).await,
            "known"
        );
        expect_end(&harness, &id, "delivered").await;
        let intent = ["pi_invoice_old", "pi_invoice_new"][number];
        assert_eq!(
            ledger_of(&harness, intent).await,
            [Entry::paid(Stripe, &id, 5_000)]
        );
        assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    };
    run_cases(invoices.into_iter().enumerate().map(pay)).await;
    // Stripe does not have money that was paid elsewhere, so an operator must look.
    let id = create_order(&harness).await;
    let elsewhere = json!({
        "id": "in_elsewhere", "object": "invoice", "amount_paid": 5_000, "currency": "usd",
        "metadata": {"order_id": id}, "paid_out_of_band": true,
    });
    assert_eq!(
        post_stripe(&harness, "evt-elsewhere", "invoice.paid", elsewhere).await,
        "unconfirmed"
    );
    assert_eq!(status_of(&harness, &id).await, "pending");
    let listed = work_list_of(&harness, &id).await;
    assert_eq!(listed, ["unconfirmed unknown in_elsewhere"]);
    // The customer may have paid the order that is cancelled now.
    cancel(&harness, &id).await;
    let listed = work_list_of(&harness, &id).await;
    assert_eq!(listed, ["unconfirmed unknown in_elsewhere"]);
    harness.assert_invariants().await;
}

// PAY-05 with a provider that refunds
#[tokio::test]
async fn stripe_refunds_cancelled_order_once() {
    let Some(books) = Localstripe::start().await else {
        return;
    };
    let settings = [
        ("PAYMENT_PROVIDER", "stripe"),
        ("STRIPE_API_KEY", API_KEY),
        ("STRIPE_API_BASE", books.url.as_str()),
        ("SHIPPING_DELAY", "60s"),
    ];
    let harness = start_shop(&settings).await;
    let id = create_order(&harness).await;
    let intent = books.create_paid_intent(5_000, "usd", &id).await;
    let event_id = format!("evt-{id}");
    let succeeded = intent_of(&id, &intent, 5_000);
    assert_eq!(
        post_stripe(&harness, &event_id, "payment_intent.succeeded", succeeded).await,
        "applied"
    );
    harness.wait_for_status(&id, "preparing").await;
    cancel(&harness, &id).await;
    let before = list_audit_kinds(&harness, &id).await;
    let session = json!({
        "id": format!("cs_{id}"), "payment_intent": intent, "payment_status": "paid",
        "amount_total": 5_000, "currency": "usd", "client_reference_id": id,
    });
    let event_id = format!("evt-session-{id}");
    assert_eq!(
        post_stripe(&harness, &event_id, "checkout.session.completed", session).await,
        "known"
    );
    assert_eq!(
        ledger_of(&harness, &intent).await,
        [Entry::paid(Stripe, &id, 5_000).with_refunded(5_000)]
    );
    assert_eq!(list_audit_kinds(&harness, &id).await, before);
    assert_eq!(books.list_refunds().await.len(), 1);
    assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    harness.assert_invariants().await;
}

/// The order of the reports does not matter: two orders and the API compete for one transaction.
#[tokio::test]
async fn concurrent_claims_pay_exactly_one_order() {
    let harness = start_shop(&[]).await;
    let of_provider = async |provider| {
        let ids = join_all([(); 3].map(|()| create_order(&harness))).await;
        let transaction_id = format!("raced-{provider}");
        let sender = WebhookSender::new(&harness, provider);
        let event = sender.payment(&ids[0], &transaction_id, TOTAL);
        let (webhook, first, second) = futures::join!(
            sender.send_event(Paid, &event, "race"),
            confirm(&harness, &ids[1], &transaction_id, 50.0),
            confirm(&harness, &ids[2], &transaction_id, 50.0),
        );
        assert_eq!(webhook, 200);
        let outcome = harness
            .wait_for_outcome(&sender.event_id(Paid, &event, "race"))
            .await;
        let won = [
            outcome == "applied",
            first.status == 200,
            second.status == 200,
        ];
        let winners: Vec<_> = ids.iter().zip(won).filter(|(_, won)| *won).collect();
        let [(winner, _)] = winners.as_slice() else {
            panic!("{provider}: {outcome}, {first:?}, {second:?}");
        };
        expect_end(&harness, winner, "delivered").await;
        for loser in ids.iter().filter(|id| id != winner) {
            assert_eq!(status_of(&harness, loser).await, "pending", "{provider}");
            cancel(&harness, loser).await;
        }
        let expected = Entry::paid(provider, winner, 5_000);
        assert_eq!(ledger_of(&harness, &transaction_id).await, [expected]);
    };
    let providers = [Stripe, Adyen, Standard, Square, Checkout];
    run_cases(providers.map(of_provider)).await;
    harness.assert_invariants().await;
}
