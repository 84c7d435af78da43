//! The work list: entries that events or operators close, the advice for each of them, and captures
//! after dispatch.

use serde_json::{Value, json};

use super::{
    NOTHING, PAYING, audit_payloads, cancel, create_order,
    events::{
        Payer, Raw, TOTAL, get_json, orderflow, orderflow_json, run_cases, standard, stripe,
        unique, wait_for_outcome,
    },
    expect_end, order_of, report, start_shop, wait_for_audit_event, work_list_of,
};
use crate::{
    harness::Harness,
    settlements::WebhookSender,
    webhooks::{sign_as, test_secrets},
};
use domain::WebhookProvider::{GoCardless, Mollie, Shopify, Standard, Stripe};
use payment_webhooks::Message;
use store::simulator::{Fault, add_fault};

/// PAY-39
#[tokio::test]
async fn refund_due_closes_when_the_refund_is_reported() {
    let harness = start_shop(&[]).await;
    run_cases(PAYING, async |provider| {
        let payer = Payer::start(&harness, provider).await;
        cancel(&harness, &payer.order).await;
        assert_eq!(payer.send(&payer.pays()).await, "refund_due", "{provider}");
        payer
            .wait_for_books("refund_due: captured=5000 due=5000")
            .await;
        payer.wait_for_attention(&["refund_due 50.00"]).await;
        let entries = payer.attention_entries().await;
        assert_eq!(entries[0]["provider"], provider.as_str());
        assert_eq!(entries[0]["order_status"], "cancelled");
        let step = entries[0]["next_step"].as_str().unwrap();
        assert!(
            step.starts_with(&format!("refund {} at", payer.transaction)),
            "{step}"
        );
        assert_eq!(payer.send(&payer.refunds("part", 2_000)).await, "recorded");
        payer.wait_for_attention(&["refund_due 30.00"]).await;
        assert_eq!(payer.send(&payer.refunds("rest", 3_000)).await, "recorded");
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
        payer.wait_for_attention(&[]).await;
        // A repeated report of the payment opens no entry.
        if provider != domain::WebhookProvider::Adyen {
            payer.send(&payer.again(&payer.pays())).await;
        }
        payer.wait_for_attention(&[]).await;
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
    })
    .await;
    harness.assert_invariants().await;
}

/// Money that names no order closes with its refund or by an operator.
#[tokio::test]
async fn unmatched_payment_is_closed_by_refund_or_operator() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "0s")]).await;
    let unmatched = async || {
        let payer = Payer::of_order(&harness, Stripe, "none");
        let intent = json!({
            "id": payer.transaction, "object": "payment_intent", "amount": TOTAL,
            "amount_received": TOTAL, "currency": "usd", "metadata": {},
        });
        let raw = stripe("payment_intent.succeeded", intent);
        assert_eq!(payer.send(&raw).await, "refund_due");
        payer
            .wait_for_books("refund_due: captured=5000 unmatched=5000")
            .await;
        let entry = entry_about(&harness, &payer.transaction).await.unwrap();
        assert_eq!(entry["concern"], "unmatched");
        assert_eq!(entry["amount"].as_f64(), Some(50.0));
        assert_eq!(entry["order_id"], Value::Null);
        (payer, entry)
    };
    let (refunded, _) = unmatched().await;
    refunded.send(&refunded.refunds("all", TOTAL)).await;
    refunded
        .wait_for_books("refunded: captured=5000 refunded=5000")
        .await;
    assert_eq!(entry_about(&harness, &refunded.transaction).await, None);

    let (resolved, entry) = unmatched().await;
    let id = entry["id"].as_str().unwrap();
    resolve(&harness, id, "paid back by bank transfer")
        .await
        .unwrap();
    assert_eq!(entry_about(&harness, &resolved.transaction).await, None);
    let shown = orderflow_json(&harness, &["money", "show", &resolved.transaction]).await;
    assert_eq!(shown["entry"], Value::Null);
    let movements = shown["payments"][0]["movements"].as_array().unwrap();
    assert!(
        movements
            .iter()
            .any(|movement| movement["kind"] == "resolved"),
        "{shown}"
    );
    harness.assert_invariants().await;
}

/// Money that names an order that does not exist, late money of an unpaid order, and an event that
/// cannot be read.
#[tokio::test]
async fn entries_name_the_order_of_the_event() {
    let harness = start_shop(&[("SETTLEMENT_GRACE", "0s"), ("READS", "database")]).await;
    let unknown = Payer::of_order(&harness, Standard, "ORD-none");
    assert_eq!(unknown.send(&unknown.pays()).await, "refund_due");
    unknown.wait_for_attention(&["refund_due 50.00"]).await;
    let listed = orderflow_json(&harness, &["money", "list", "--order", "ORD-none"]).await;
    assert_eq!(listed[0]["transaction_id"], unknown.transaction.as_str());
    assert_eq!(listed[0]["order_status"], Value::Null);

    let late = Payer::start(&harness, Standard).await;
    cancel(&harness, &late.order).await;
    let path = format!("/orders/{}", late.order);
    assert_eq!(get_json(&harness, &path).await["payment_info"], Value::Null);
    late.send(&late.pays()).await;
    late.wait_for_attention(&["refund_due 50.00"]).await;
    let shown = get_json(&harness, &path).await;
    assert_eq!(shown["payment_info"]["status"], "refund_due", "{shown}");
    assert_eq!(
        shown["payment_info"]["transaction_id"],
        late.transaction.as_str()
    );

    let odd = Payer::start(&harness, Standard).await;
    let body = json!({
        "order_id": odd.order, "transaction_id": odd.transaction, "amount": "many", "currency": "USD",
    });
    assert_eq!(
        odd.send(&standard("payment.succeeded", body)).await,
        "unreadable"
    );
    odd.wait_for_attention(&["unreadable unknown"]).await;
    let entries = odd.attention_entries().await;
    let id = entries[0]["id"].as_str().unwrap();
    resolve(&harness, id, "a typing error of the shop")
        .await
        .unwrap();
    odd.wait_for_attention(&[]).await;
    harness.assert_invariants().await;
}

/// An open dispute returns the money, so the entry of a refund does not ask for both.
#[tokio::test]
async fn entry_of_disputed_refund_asks_for_one_repayment() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let payer = Payer::paid(&harness, Standard).await;
    payer.send(&payer.disputes("opened")).await;
    cancel(&harness, &payer.order).await;
    payer
        .wait_for_attention(&["dispute_open 50.00", "refund_due 50.00"])
        .await;
    let step = |entries: &[Value], concern: &str| {
        let found = entries.iter().find(|entry| entry["concern"] == concern);
        found.unwrap()["next_step"].as_str().unwrap().to_owned()
    };
    let entries = payer.attention_entries().await;
    let refund = step(&entries, "refund_due");
    assert!(refund.starts_with("accept the dispute"), "{refund}");
    // The bank has returned the money.
    payer.send(&payer.disputes("lost")).await;
    payer.wait_for_attention(&["dispute_lost 50.00"]).await;
    let lost = step(&payer.attention_entries().await, "dispute_lost");
    assert!(lost.contains("was not shipped"), "{lost}");
    harness.assert_invariants().await;
}

/// Returns the entry about a transaction from the whole work list.
async fn entry_about(harness: &Harness, transaction: &str) -> Option<Value> {
    let list = get_json(harness, "/payments/attention?limit=200").await;
    let entries = list["entries"].as_array().unwrap();
    let mut found = entries
        .iter()
        .filter(|entry| entry["transaction_id"] == transaction);
    let entry = found.next().cloned();
    assert_eq!(found.next(), None);
    entry
}

async fn resolve(harness: &Harness, id: &str, note: &str) -> Result<String, String> {
    let arguments = ["money", "resolve", id, "--note", note, "--operator", "jane"];
    orderflow(harness, &arguments).await
}

#[tokio::test]
async fn operator_lists_shows_and_resolves_entries() {
    let harness = start_shop(&[]).await;
    let empty = orderflow(&harness, &["money", "list"]).await.unwrap();
    assert_eq!(empty.trim(), "no money needs an operator");
    let due = Payer::start(&harness, Stripe).await;
    cancel(&harness, &due.order).await;
    due.send(&due.pays()).await;
    due.wait_for_attention(&["refund_due 50.00"]).await;
    let disputed = Payer::paid(&harness, Standard).await;
    disputed.wait_for_end("delivered").await;
    disputed.send(&disputed.disputes("lost")).await;
    disputed.wait_for_attention(&["dispute_lost 50.00"]).await;

    // The interfaces agree, and filters apply.
    let listed = orderflow_json(&harness, &["money", "list"]).await;
    let served = get_json(&harness, "/payments/attention").await;
    assert_eq!(listed, served["entries"]);
    let concerns: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["concern"])
        .collect();
    assert_eq!(concerns, [&json!("refund_due"), &json!("dispute_lost")]);
    for (filter, value) in [("--order", due.order.as_str()), ("--concern", "refund_due")] {
        let filtered = orderflow_json(&harness, &["money", "list", filter, value]).await;
        assert_eq!(filtered, json!([listed[0]]), "{filter}");
    }
    let filtered = get_json(&harness, "/payments/attention?concern=dispute_lost").await;
    assert_eq!(filtered["entries"], json!([listed[1]]));
    let limited = get_json(&harness, "/payments/attention?limit=1").await;
    assert_eq!(limited, json!({"entries": [listed[0]], "more": true}));
    assert_eq!(served["more"], false);
    harness
        .get("/payments/attention?concern=nope")
        .await
        .expect_problem(422, "invalid_query");
    let table = orderflow(&harness, &["money", "list"]).await.unwrap();
    for text in [
        "refund_due",
        "dispute_lost",
        "50.00",
        &due.transaction,
        &disputed.order,
    ] {
        assert!(table.contains(text), "{text}: {table}");
    }

    let id = listed[0]["id"].as_str().unwrap();
    let shown = orderflow_json(&harness, &["money", "show", id]).await;
    assert_eq!(shown["entry"], listed[0]);
    assert_eq!(shown["payments"][0]["status"], "refund_due");
    let text = orderflow(&harness, &["money", "show", id]).await.unwrap();
    assert!(
        text.contains("next step") && text.contains("refund_due"),
        "{text}"
    );

    let closed = resolve(&harness, id, "refunded in the dashboard")
        .await
        .unwrap();
    assert!(closed.starts_with(&format!("closed: {id}")), "{closed}");
    due.wait_for_attention(&[]).await;
    assert_eq!(
        due.wait_for_audit_event("payment_concern_resolved").await,
        1
    );
    let audit = get_json(&harness, &format!("/orders/{}/events?limit=200", due.order)).await;
    let events = audit["events"].as_array().unwrap();
    let resolved = events
        .iter()
        .find(|event| event["type"] == "payment_concern_resolved");
    assert_eq!(resolved.unwrap()["actor"], "cli", "{audit}");
    assert_eq!(resolved.unwrap()["claims"], json!({"operator": "jane"}));
    let payload = &resolved.unwrap()["payload"];
    assert_eq!(payload["note"], "refunded in the dashboard", "{payload}");
    assert_eq!(payload["concern"], "refund_due");
    let again = resolve(&harness, id, "again").await.unwrap_err();
    assert!(again.contains("not found or already closed"), "{again}");
    let unknown = orderflow(&harness, &["money", "show", "pi_unknown"])
        .await
        .unwrap_err();
    assert!(unknown.contains("pi_unknown"), "{unknown}");

    let id = listed[1]["id"].as_str().unwrap();
    resolve(&harness, id, "written off").await.unwrap();
    disputed.wait_for_attention(&[]).await;
    // A loss that grows opens the entry again.
    let more = standard(
        "payment.disputed",
        json!({
            "order_id": disputed.order, "transaction_id": disputed.transaction, "amount": "10.00",
            "currency": "USD", "stage": "lost", "dispute_id": "another",
        }),
    );
    disputed.send(&more).await;
    disputed.wait_for_attention(&["dispute_lost 10.00"]).await;
    resolve(&harness, id, "also written off").await.unwrap();
    // Another loss of the same amount is another entry.
    let third = standard(
        "payment.disputed",
        json!({
            "order_id": disputed.order, "transaction_id": disputed.transaction, "amount": "10.00",
            "currency": "USD", "stage": "lost", "dispute_id": "third",
        }),
    );
    disputed.send(&third).await;
    disputed.wait_for_attention(&["dispute_lost 10.00"]).await;
    resolve(&harness, id, "written off, too").await.unwrap();
    disputed.wait_for_attention(&[]).await;
    assert_eq!(
        disputed
            .wait_for_audit_event("payment_concern_resolved")
            .await,
        3
    );
    harness.assert_invariants().await;
}

/// PAY-41: the actions of GoCardless, topics of Shopify and types of Mollie that report no payment.
#[tokio::test]
async fn report_of_no_payment_never_advises_a_confirmation() {
    let harness = start_shop(&[("RATE_LIMIT", "off")]).await;
    let order = create_order(&harness).await;
    let mut failures = Vec::new();
    let mut confirmations = Vec::new();
    let gocardless = WebhookSender::new(&harness, GoCardless);
    for (action, is_payment) in [
        ("confirmed", true),
        ("failed", false),
        ("cancelled", false),
        ("charged_back", false),
        ("late_failure_settled", false),
        ("chargeback_settled", false),
        ("customer_approval_denied", false),
    ] {
        let id = unique("EV");
        let body = json!({"events": [{
            "id": id, "resource_type": "payments", "action": action,
            "links": {"payment": unique("PM")}, "resource_metadata": {"order_id": order},
        }]});
        assert_eq!(gocardless.post_body(&body).await, 204);
        if is_payment {
            &mut confirmations
        } else {
            &mut failures
        }
        .push(("gocardless", id));
    }
    for (topic, is_payment) in [
        ("orders/paid", true),
        ("refunds/create", false),
        ("disputes/create", false),
        ("orders/cancelled", false),
    ] {
        let id = unique("shopify");
        let body = json!({"id": failures.len() + 1, "name": order});
        let message = Message {
            headers: vec![
                ("x-shopify-topic", topic.to_owned()),
                ("x-shopify-webhook-id", id.clone()),
            ],
            body: body.to_string().into_bytes(),
        };
        let sender = WebhookSender::new(&harness, Shopify);
        let now = chrono::Utc::now().timestamp();
        let message = sign_as(&test_secrets(Shopify), message, &id, now);
        assert_eq!(sender.post_message(&message).await, 200);
        if is_payment {
            &mut confirmations
        } else {
            &mut failures
        }
        .push(("shopify", id));
    }
    for (event_type, is_payment) in [
        ("payment-link.paid", true),
        ("payment.failed", false),
        ("payment.canceled", false),
        ("refund.created", false),
        ("chargeback.received", false),
    ] {
        let id = unique("event");
        let body = json!({
            "resource": "event", "id": id, "type": event_type, "entityId": unique("tr"),
            "_embedded": {"entity": {"metadata": {"order_id": order}}},
        });
        assert_eq!(
            WebhookSender::new(&harness, Mollie).post_body(&body).await,
            200
        );
        if is_payment {
            &mut confirmations
        } else {
            &mut failures
        }
        .push(("mollie", id));
    }
    for (events, is_payment) in [(&failures, false), (&confirmations, true)] {
        run_cases(events, async |(provider, id)| {
            assert_eq!(wait_for_outcome(&harness, id).await, "unconfirmed");
            let shown = orderflow(&harness, &["webhooks", "show", id])
                .await
                .unwrap();
            assert_eq!(shown.contains("confirm-payment"), is_payment, "{shown}");
            let list = get_json(&harness, "/payments/attention?limit=200").await;
            let entries = list["entries"].as_array().unwrap();
            let name = format!("{provider}:{id}:unconfirmed");
            let entry = entries.iter().find(|entry| entry["id"] == name);
            let entry = entry.unwrap_or_else(|| panic!("{name} is not in {list}"));
            let step = entry["next_step"].as_str().unwrap();
            assert_eq!(step.contains("confirm-payment"), is_payment, "{entry}");
        })
        .await;
    }
    // An operator closes one of them; the other failures close with the order.
    let (provider, id) = &confirmations[0];
    let entry = format!("{provider}:{id}:unconfirmed");
    resolve(&harness, &entry, "a test payment").await.unwrap();
    let list = get_json(&harness, &format!("/payments/attention?order_id={order}")).await;
    let left = list["entries"].as_array().unwrap().len();
    assert_eq!(left, failures.len() + confirmations.len() - 1);
    // The entry closes before the order writes its audit event.
    wait_for_audit_event(&harness, &order, "payment_concern_resolved").await;
    let resolved = audit_payloads(&harness, &order, "payment_concern_resolved").await;
    assert_eq!(resolved.len(), 1, "{resolved:?}");
    assert_eq!(
        (&resolved[0]["concern"], &resolved[0]["note"]),
        (&json!("unconfirmed"), &json!("a test payment"))
    );
    let stored = orderflow_json(&harness, &["webhooks", "show", id]).await;
    assert!(stored.to_string().contains("resolved: a test payment"));
    let again = resolve(&harness, &entry, "a test payment").await;
    assert!(again.unwrap_err().contains("already closed"));
    cancel(&harness, &order).await;
    let list = get_json(&harness, &format!("/payments/attention?order_id={order}")).await;
    // The customer may have paid the order that is cancelled now.
    let left = list["entries"].as_array().unwrap().len();
    assert_eq!(left, confirmations.len() - 1, "{list}");
    harness.assert_invariants().await;
}

/// A checkout that took no money is shown while the order waits, and closes with its payment.
#[tokio::test]
async fn unpaid_checkout_closes_when_the_order_is_paid() {
    let harness = start_shop(&[("DELIVERY", "auto:50ms")]).await;
    let payer = Payer::start(&harness, Stripe).await;
    let session = stripe(
        "checkout.session.completed",
        json!({
            "id": unique("cs"), "payment_intent": null, "payment_status": "no_payment_required",
            "amount_total": 0, "currency": "usd", "client_reference_id": payer.order,
        }),
    );
    assert_eq!(payer.send(&session).await, "recorded");
    payer.wait_for_attention(&["completed_unpaid 0.00"]).await;
    let event = Raw {
        event_id: unique("EV"),
        body: Value::Null,
    };
    let body = json!({"events": [{
        "id": event.event_id, "resource_type": "payments", "action": "confirmed",
        "links": {"payment": unique("PM")}, "resource_metadata": {"order_id": payer.order},
    }]});
    assert_eq!(
        WebhookSender::new(&harness, GoCardless)
            .post_body(&body)
            .await,
        204
    );
    payer
        .wait_for_attention(&["completed_unpaid 0.00", "unconfirmed unknown"])
        .await;
    payer.send(&payer.pays()).await;
    payer.wait_for_end("delivered").await;
    payer.wait_for_attention(&[]).await;
    harness.assert_invariants().await;
}

/// The settings of a shop that charges at the simulator and captures after dispatch.
const ON_DISPATCH: &[(&str, &str)] = &[("PAYMENT", "auto"), ("CAPTURE", "on_dispatch")];

/// Starts an order that is charged, and returns its payer with the simulator's transaction.
async fn start_charged(harness: &Harness, faults: &[(&str, Fault, i32)]) -> String {
    let id = unique("captured-later");
    for (operation, fault, times) in faults {
        add_fault(&harness.pool, operation, &id, *fault, *times)
            .await
            .unwrap();
    }
    let mut order = order_of("50.00", "USD");
    order["payment"] = json!({"payment_id": format!("pmt-{id}")});
    harness
        .post(&format!("/orders/{id}/start"), order)
        .await
        .expect_status(202);
    id
}

/// Returns the payer of a charged order, whose transaction the simulator has named.
async fn payer_of<'a>(harness: &'a Harness, id: &str) -> Payer<'a> {
    let mut payer = Payer::of_order(harness, Standard, id);
    let rows = store::transactions::find(&harness.pool, id).await.unwrap();
    payer.transaction = rows[0].transaction_id.clone().unwrap();
    payer
}

#[tokio::test]
async fn authorised_payment_is_captured_after_dispatch() {
    let settings = [ON_DISPATCH, &[("DELIVERY", "confirm")]].concat();
    let harness = start_shop(&settings).await;
    // The capture succeeds, is repeated after faults, or its response is lost.
    let faults: [&[(&str, Fault, i32)]; 3] = [
        &[],
        &[("capture", Fault::Fail, 2)],
        &[("capture", Fault::Lose, 1)],
    ];
    run_cases(faults, async |faults| {
        let id = start_charged(&harness, faults).await;
        harness.wait_for_status(&id, "shipped").await;
        let payer = payer_of(&harness, &id).await;
        payer.wait_for_audit_event("payment_captured").await;
        let kinds = payer.audit_kinds().await;
        let position = |kind: &str| kinds.iter().position(|known| known == kind).unwrap();
        assert!(
            position("payment_authorised") < position("order_shipped"),
            "{kinds:?}"
        );
        assert!(
            position("order_shipped") < position("payment_captured"),
            "{kinds:?}"
        );
        assert_eq!(payer.count_audit_events("payment_captured").await, 1);
        assert_eq!(
            harness.provider_movements(&id).await,
            ["authorise", "capture"]
        );
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        payer.wait_for_attention(&[]).await;
        payer.assert_one_status("captured").await;
        payer.deliver().await;
        payer.assert_status("delivered", "captured").await;
    })
    .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn refused_capture_after_dispatch_needs_an_operator() {
    let settings = [ON_DISPATCH, &[("DELIVERY", "confirm")]].concat();
    let harness = start_shop(&settings).await;
    let id = start_charged(&harness, &[("capture", Fault::Decline, 1)]).await;
    harness.wait_for_status(&id, "shipped").await;
    let payer = payer_of(&harness, &id).await;
    assert_eq!(
        payer.wait_for_audit_event("payment_capture_failed").await,
        1
    );
    payer.wait_for_attention(&["capture_refused 50.00"]).await;
    assert_eq!(harness.provider_movements(&id).await, ["authorise"]);
    payer.assert_one_status("pending").await;
    payer.deliver().await;
    payer.wait_for_attention(&["capture_refused 50.00"]).await;
    let entries = payer.attention_entries().await;
    assert_eq!(entries[0]["provider"], "simulator");
    let entry = entries[0]["id"].as_str().unwrap();
    resolve(&harness, entry, "paid in the shop").await.unwrap();
    payer.wait_for_attention(&[]).await;
    assert_eq!(
        payer.wait_for_audit_event("payment_concern_resolved").await,
        1
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn authorisation_of_cancelled_order_is_never_captured() {
    let settings = [ON_DISPATCH, &[("SHIPPING_DELAY", "10m")]].concat();
    let harness = start_shop(&settings).await;
    let id = start_charged(&harness, &[]).await;
    harness.wait_for_status(&id, "preparing").await;
    let payer = payer_of(&harness, &id).await;
    assert_eq!(payer.count_audit_events("payment_authorised").await, 1);
    payer.wait_for_books("pending:").await;
    cancel(&harness, &id).await;
    assert_eq!(harness.provider_movements(&id).await, ["authorise", "void"]);
    payer.wait_for_books("declined:").await;
    payer.wait_for_attention(&[]).await;
    payer.assert_status("cancelled", "declined").await;
    harness.assert_invariants().await;
}

/// A caller confirms a payment that its order refuses, and no provider has reported the money.
#[tokio::test]
async fn refused_confirmation_is_on_the_work_list() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let confirm = async |id: &str, confirmation: Value| {
        let path = format!("/orders/{id}/payment");
        harness.post(&path, confirmation).await
    };
    // Another amount and another currency. The correct confirmation closes the entry.
    let waiting = create_order(&harness).await;
    for wrong in [
        json!({"transaction_id": "amount", "amount": 40.0}),
        json!({"transaction_id": "currency", "amount": 50.0, "currency": "EUR"}),
    ] {
        confirm(&waiting, wrong)
            .await
            .expect_problem(422, "payment_mismatch");
    }
    let both = [
        "report_refused 40.00 amount",
        "report_refused 50.00 currency",
    ];
    assert_eq!(work_list_of(&harness, &waiting).await, both);
    confirm(
        &waiting,
        json!({"transaction_id": "amount", "amount": 50.0}),
    )
    .await
    .expect_status(200);
    assert_eq!(work_list_of(&harness, &waiting).await, both[1..]);
    // The order is paid. A provider's report about the money replaces the entry.
    harness.wait_for_status(&waiting, "preparing").await;
    confirm(
        &waiting,
        json!({"transaction_id": "second", "amount": 50.0}),
    )
    .await
    .expect_problem(409, "already_paid");
    let list = work_list_of(&harness, &waiting).await;
    assert_eq!(list, [both[1], "report_refused 50.00 second"]);
    let paid = (Stripe, payment_webhooks::SampleKind::Paid);
    report(&harness, paid, &waiting, "second", "50.00").await;
    let list = work_list_of(&harness, &waiting).await;
    assert_eq!(list, [both[1], "refund_due 50.00 second"]);
    // An order in review that will charge its own payment id takes no other payment.
    let mut charged = order_of("20000.00", "USD");
    charged["profile"] = json!("production");
    charged["payment"] = json!({"payment_id": "pmt-unexpected"});
    let charged = harness.post("/orders", charged).await.expect_started();
    harness.wait_for_step(&charged, "manual_review").await;
    confirm(
        &charged,
        json!({"transaction_id": "unexpected", "amount": 20_000}),
    )
    .await
    .expect_problem(409, "payment_not_expected");
    assert_eq!(
        work_list_of(&harness, &charged).await,
        ["report_refused 20000.00 unexpected"]
    );
    cancel(&harness, &charged).await;
    // The order has ended, so a settlement records the report. An operator closes the entry once.
    let closed = create_order(&harness).await;
    cancel(&harness, &closed).await;
    expect_end(&harness, &closed, "cancelled").await;
    let late = json!({"transaction_id": "late", "amount": 50.0});
    let late_entry = "report_refused 50.00 late";
    for _ in 0..2 {
        confirm(&closed, late.clone())
            .await
            .expect_problem(409, "order_closed");
    }
    let list = async || work_list_of(&harness, &closed).await;
    harness
        .wait_until("the entry", list, |list| list == &[late_entry])
        .await;
    wait_for_audit_event(&harness, &closed, "request_refused").await;
    let refusals = audit_payloads(&harness, &closed, "request_refused").await;
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0]["transaction_id"], "late");
    assert_eq!(refusals[0]["amount"].as_f64(), Some(50.0));
    let entry = entry_about(&harness, "late").await.unwrap();
    let shown = orderflow_json(&harness, &["money", "show", entry["id"].as_str().unwrap()]).await;
    assert_eq!(shown["entry"]["concern"], "report_refused");
    resolve(&harness, entry["id"].as_str().unwrap(), "refunded")
        .await
        .unwrap();
    assert_eq!(work_list_of(&harness, &closed).await, NOTHING);
    confirm(&closed, late)
        .await
        .expect_problem(409, "order_closed");
    assert_eq!(work_list_of(&harness, &closed).await, NOTHING);
    harness.assert_invariants().await;
}
