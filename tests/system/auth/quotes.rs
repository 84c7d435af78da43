//! Prices of a customer's caller: by a signed quote, or with the scope `orders:price`.

use std::path::Path;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    Keys, PROGRAM, Scope, create_api_key,
    issuer::{Issuer, now},
    sample_order, start_with_keys,
};

/// Returns keys: of the customer C-1 without and with the permission to set prices, of C-2, and of the
/// shop.
fn keys() -> Keys {
    let key = |(name, scopes, customer): (&'static str, &[Scope], Option<&str>)| {
        let made = create_api_key(name, scopes, customer, None).unwrap();
        (name, made.key, made.line)
    };
    let customer = &[Scope::Read, Scope::Write][..];
    Keys(
        [
            ("customer", customer, Some("C-1")),
            ("other", customer, Some("C-2")),
            (
                "trusted",
                &[Scope::Read, Scope::Write, Scope::Price],
                Some("C-1"),
            ),
            ("shop", customer, None),
            ("operator", &[Scope::Operate], None),
        ]
        .map(key)
        .into(),
    )
}

/// The claims of a quote for C-1: two mugs and the shipping, 28.00 EUR.
fn claims(id: &str) -> Value {
    json!({
        "aud": "orderflow", "iat": now() - 10, "exp": now() + 3_600, "jti": id,
        "customer_id": "C-1", "currency": "EUR", "shipping_amount": "4.00",
        "items": [{"sku": "MUG", "quantity": 2, "unit_price": "12.00"}],
    })
}

fn order_with(quote: &str) -> Value {
    json!({"quote": quote, "shipping_address": {"street": "1 Main St"}})
}

#[tokio::test]
async fn customer_sets_no_price() {
    let keys = keys();
    let harness = start_with_keys(&keys, &[("ALLOW_PROFILE_OVERRIDE", "on")]).await;
    let start = async |key: &str, id: &str, order: &Value| {
        let path = format!("/orders/{id}/start");
        harness
            .call(keys.get(key), "POST", &path, Some(order.clone()))
            .await
    };
    let plain = json!({
        "items": [{"sku": "LAPTOP-2000", "quantity": 1}], "shipping_address": {"street": "1 Main St"},
    });
    let mut pointers = Vec::new();
    for (pointer, value) in [
        ("/items/0/unit_price", json!("0.01")),
        ("/items/0/price", json!(0.01)),
        ("/items/0/discount_amount", json!(1)),
        ("/currency", json!("KWD")),
        ("/discounts", json!([{"amount": 1}])),
        ("/fees", json!([{"amount": 1}])),
        ("/shipping_amount", json!(0)),
        ("/tax_amount", json!("0")),
        ("/prices_include_tax", json!(true)),
        ("/profile", json!("lifecycle")),
    ] {
        let mut order = plain.clone();
        match pointer.strip_prefix("/items/0/") {
            Some(name) => order["items"][0][name] = value,
            None => order[&pointer[1..]] = value,
        }
        for path in ["/orders/priced-1/start", "/orders"] {
            let body = Some(order.clone());
            let refused = harness.call(keys.get("customer"), "POST", path, body).await;
            let problem = refused.expect_problem(422, "invalid_request");
            let errors = problem["errors"].as_array().unwrap();
            assert_eq!(errors.len(), 1, "{path}: {problem}");
            pointers.push((errors[0]["pointer"].clone(), pointer));
        }
    }
    for (found, pointer) in pointers {
        assert_eq!(found, pointer);
    }
    let problem = start("customer", "priced-1", &plain)
        .await
        .expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/quote");
    harness
        .call(keys.get("shop"), "GET", "/orders/priced-1", None)
        .await
        .expect_problem(404, "order_not_found");
    // The sample cart has its own price, and a blank text counts as absent.
    start("customer", "priced-2", &json!({"quote": " "}))
        .await
        .expect_status(202);
    start("trusted", "priced-3", &sample_order_of("C-1"))
        .await
        .expect_status(202);
    start("shop", "priced-4", &sample_order())
        .await
        .expect_status(202);
    let problem = start("customer", "priced-5", &order_with("a.b.c"))
        .await
        .expect_problem(422, "invalid_request");
    assert!(
        problem["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("QUOTE_JWKS"),
        "{problem}"
    );
}

fn sample_order_of(customer: &str) -> Value {
    let mut order = sample_order();
    order["customer"] = json!({"id": customer});
    order
}

#[tokio::test]
async fn quote_sets_prices_of_one_order() {
    let issuer = Issuer::start().await;
    issuer.publish(&["1"]);
    let keys = keys();
    let url = issuer.url();
    let harness = start_with_keys(&keys, &[("QUOTE_JWKS_URL", &url)]).await;
    let start = async |key: &str, id: &str, order: Value| {
        let path = format!("/orders/{id}/start");
        harness
            .call(keys.get(key), "POST", &path, Some(order))
            .await
    };
    let quote = issuer.sign("1", "quote+jwt", &claims("q-1"));
    let mut order = order_with(&quote);
    order["total_amount"] = json!("28.00");
    order["items"] = json!([{"sku": "MUG", "qty": 2, "metadata": {"color": "red"}}]);
    order["customer"] = json!({"name": "Ada"});
    let started = start("customer", "quoted-1", order.clone())
        .await
        .expect_status(202);
    assert_eq!(
        (&started["total_amount"], &started["currency"]),
        (&json!(28), &json!("EUR"))
    );
    // A repeated start is the same request.
    let again = start("customer", "quoted-1", order)
        .await
        .expect_status(202);
    assert_eq!(again["already_started"], true);
    assert_eq!(
        harness.wait_for_end("quoted-1").await.status.as_str(),
        "delivered"
    );
    let path = "/orders/quoted-1";
    let read = harness.call(keys.get("customer"), "GET", path, None).await;
    let read = read.expect_status(200);
    assert_eq!(read["items"][0]["metadata"], json!({"color": "red"}));
    assert_eq!(read["customer"]["name"], "Ada");
    for (key, expected) in [
        ("shop", json!({"jti": "q-1", "kid": "1"})),
        ("customer", Value::Null),
    ] {
        let path = "/orders/quoted-1/events";
        let log = harness.call(keys.get(key), "GET", path, None).await;
        let received = log.expect_status(200)["events"][0].clone();
        assert_eq!(received["type"], "order_received", "{received}");
        assert_eq!(received["payload"]["quote"], expected, "{key}: {received}");
    }
    // From a shop's caller, the claim sets the customer. The quote is used.
    start("shop", "quoted-2", order_with(&quote))
        .await
        .expect_status(202);
    let second = harness.wait_for_end("quoted-2").await;
    assert_eq!(second.customer_id.as_deref(), Some("C-1"));
    assert_eq!(second.failure.unwrap().code.as_str(), "quote_used");
    assert_eq!(second.payment_info, None);
    // Of concurrent orders with one quote, one gets it.
    let quote = issuer.sign("1", "quote+jwt", &claims("q-2"));
    let ids: Vec<_> = (0..5)
        .map(|number| format!("quoted-race-{number}"))
        .collect();
    join_all(ids.iter().map(async |id| {
        start("customer", id, order_with(&quote))
            .await
            .expect_status(202);
    }))
    .await;
    let mut delivered = 0;
    for id in &ids {
        let ended = harness.wait_for_end(id).await;
        match ended.failure {
            Some(failure) => assert_eq!(failure.code.as_str(), "quote_used"),
            None => delivered += 1,
        }
    }
    assert_eq!(delivered, 1);
    harness.assert_invariants().await;
}

/// The expiry is checked at the start only, and a start whose response was lost can be repeated.
#[tokio::test]
async fn started_order_outlives_its_quote() {
    let issuer = Issuer::start().await;
    issuer.publish(&["1"]);
    let keys = keys();
    let url = issuer.url();
    let settings = [
        ("QUOTE_JWKS_URL", url.as_str()),
        ("ORDER_PROFILE", "checkout"),
    ];
    let harness = start_with_keys(&keys, &settings).await;
    // The quotes are accepted for the leeway of different clocks.
    let expiry = now();
    let short = |id: &str| {
        let mut short = claims(id);
        short["iat"] = json!(expiry - 60);
        short["exp"] = json!(expiry);
        order_with(&issuer.sign("1", "quote+jwt", &short))
    };
    let (order, keyed, unused) = (short("q-short"), short("q-keyed"), short("q-unused"));
    let start = async |id: &str, order: &Value| {
        let path = format!("/orders/{id}/start");
        let body = Some(order.clone());
        harness
            .call(keys.get("customer"), "POST", &path, body)
            .await
    };
    let create = async |key: &str, order: &Value| {
        let headers = [
            ("x-api-key", keys.get("customer")),
            ("idempotency-key", key),
        ];
        harness
            .post_with_headers("/orders", order.clone(), &headers)
            .await
    };
    start("outlives", &order).await.expect_status(202);
    let created = create("outlives", &keyed).await.expect_status(202);

    let is_past = |time: &u64| *time > expiry + 30;
    harness
        .wait_until("the expiry", async || now(), is_past)
        .await;
    for (first, again) in [
        (json!("outlives"), start("outlives", &order).await),
        (
            created["order_id"].clone(),
            create("outlives", &keyed).await,
        ),
    ] {
        let again = again.expect_status(202);
        assert_eq!(again["order_id"], first, "{again}");
        assert_eq!(again["already_started"], true, "{again}");
    }
    let mut changed = order.clone();
    changed["note"] = json!("ring twice");
    let refusals = [
        start("outlived", &order).await,
        start("outlived", &unused).await,
        start("outlives", &changed).await,
        start("outlives", &unused).await,
        create("outlived", &unused).await,
        create("outlives", &changed).await,
        harness
            .call(keys.get("customer"), "POST", "/orders", Some(unused))
            .await,
    ];
    for refused in refusals {
        refused.expect_problem(422, "quote_expired");
    }
    let path = "/orders/outlived";
    let unknown = harness.call(keys.get("customer"), "GET", path, None).await;
    unknown.expect_problem(404, "order_not_found");

    let body = json!({"transaction_id": "tx-outlives", "amount": 28});
    let paid = harness
        .call(
            keys.get("operator"),
            "POST",
            "/orders/outlives/payment",
            Some(body),
        )
        .await;
    // 202: undecided until the response had to be sent.
    assert!([200, 202].contains(&paid.status.as_u16()), "{paid:?}");
    let ended = harness.wait_for_end("outlives").await;
    assert_eq!(ended.status.as_str(), "delivered");
    harness.assert_invariants().await;
}

/// `orderflow quote` signs a quote that the API accepts with the key set that it prints.
#[tokio::test]
async fn command_line_signs_a_quote() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("quote-key.pem");
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    let claims = folder.path().join("quote.json");
    let content = json!({
        "customer_id": "C-1", "currency": "EUR", "shipping_amount": "4.00",
        "items": [{"sku": "MUG", "quantity": 2, "unit_price": "12.00"}],
    });
    std::fs::write(&claims, content.to_string()).unwrap();
    let run = async |arguments: &[&str], key: &Path| {
        Command::new(PROGRAM)
            .arg("quote")
            .args(arguments)
            .args(["--key-id", "2026-11", "--key"])
            .arg(key)
            .output()
            .await
            .unwrap()
    };
    let printed = async |arguments: &[&str]| {
        let output = run(arguments, &key).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let key_set = printed(&["key-set"]).await;
    let keys = keys();
    let harness = start_with_keys(&keys, &[("QUOTE_JWKS", key_set.as_str())]).await;
    let quote = printed(&["create", claims.to_str().unwrap()]).await;
    let started = harness
        .call(
            keys.get("customer"),
            "POST",
            "/orders/quoted/start",
            Some(order_with(&quote)),
        )
        .await
        .expect_status(202);
    assert_eq!(started["total_amount"], json!(28));

    // A file without a key is named, and so is the remedy.
    let refused = run(&["key-set"], &claims).await;
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success(), "{message}");
    assert!(
        message.contains("quote.json") && message.contains("openssl genpkey"),
        "{message}"
    );
}

#[tokio::test]
async fn quote_with_a_defect_is_refused() {
    let issuer = Issuer::start().await;
    issuer.publish(&["1"]);
    let keys = keys();
    let url = issuer.url();
    let harness = start_with_keys(&keys, &[("QUOTE_JWKS_URL", &url)]).await;
    let start = async |key: &str, order: Value| {
        harness
            .call(keys.get(key), "POST", "/orders/defect/start", Some(order))
            .await
    };
    let changed = |name: &str, value: Value| {
        let mut claims = claims("q-3");
        claims[name] = value;
        issuer.sign("1", "quote+jwt", &claims)
    };
    let valid = issuer.sign("1", "quote+jwt", &claims("q-3"));
    for (defect, quote) in [
        ("unknown key", issuer.sign("2", "quote+jwt", &claims("q-3"))),
        ("a token", issuer.sign("1", "JWT", &claims("q-3"))),
        ("other audience", changed("aud", json!("shop"))),
        ("no audience", changed("aud", Value::Null)),
        ("too long", changed("exp", json!(now() + 90_000))),
        ("an end before its start", changed("exp", json!(now() - 60))),
        ("no start", changed("iat", Value::Null)),
        ("no id", changed("jti", Value::Null)),
        ("no customer", changed("customer_id", Value::Null)),
        ("other customer", changed("customer_id", json!("C-2"))),
        ("no currency", changed("currency", Value::Null)),
        ("unknown currency", changed("currency", json!("XXX"))),
        ("no items", changed("items", json!([]))),
        (
            "no price",
            changed("items", json!([{"sku": "MUG", "quantity": 2}])),
        ),
        (
            "changed",
            valid.replace(valid.split('.').nth(1).unwrap(), "e30"),
        ),
        ("no quote", "hello".to_owned()),
    ] {
        let refused = start("customer", order_with(&quote)).await;
        assert_eq!(
            refused.body["code"], "quote_invalid",
            "{defect}: {refused:?}"
        );
    }
    let mut past = claims("q-3");
    past["iat"] = json!(now() - 120);
    past["exp"] = json!(now() - 60);
    let expired = issuer.sign("1", "quote+jwt", &past);
    start("customer", order_with(&expired))
        .await
        .expect_problem(422, "quote_expired");
    start("other", order_with(&valid))
        .await
        .expect_problem(422, "quote_invalid");
    for (pointer, name, value) in [
        ("/currency", "currency", json!("USD")),
        ("/shipping_amount", "shipping_amount", json!(0)),
        ("/items", "items", json!([{"sku": "MUG", "quantity": 3}])),
        ("/total_amount", "total_amount", json!(27)),
        ("/quote", "quote", json!({"id": "q-3", "key_id": "1"})),
        ("/tax_amount", "tax_amount", json!("1.00")),
        ("/prices_include_tax", "prices_include_tax", json!(false)),
        ("/discounts", "discounts", json!([{"amount": 1}])),
        ("/fees", "fees", json!([{"amount": 1}])),
        ("/profile", "profile", json!("lifecycle")),
        ("/customer_id", "customer_id", json!("C-1")),
        ("/customer_email", "customer_email", json!("a@b.example")),
        ("/customer/id", "customer", json!({"id": "C-1"})),
        (
            "/customer/email",
            "customer",
            json!({"email": "a@b.example"}),
        ),
        (
            "/items/0/name",
            "items",
            json!([{"sku": "MUG", "quantity": 2, "name": "Mug"}]),
        ),
        (
            "/items/0/metadata/a",
            "items",
            json!([{"sku": "MUG", "quantity": 2, "metadata": {"a": []}}]),
        ),
    ] {
        let mut order = order_with(&valid);
        order[name] = value;
        let problem = start("customer", order)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    start("customer", order_with(&valid))
        .await
        .expect_status(202);
    let log = harness.read_log("api");
    assert!(log.contains("a quote is rejected"), "the log has no reason");
    assert!(!log.contains(&valid), "a quote is in the log");
}
