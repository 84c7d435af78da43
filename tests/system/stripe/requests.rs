//! Every request to Stripe is checked against Stripe's published OpenAPI description.

use std::{collections::BTreeSet, time::Duration};

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::{
    proxy::{Proxy, RecordedCall},
    tools,
};
use crate::shared_servers::shared_servers;
use devstack::{
    guard::{Guard, GuardOptions},
    ports,
};
use domain::{CaptureMode, Currency, Money, OrderId, PaymentId, TransactionId};
use payment_providers::{
    Capture, CaptureRequest, Charge, ChargeRequest, Past, PaymentProvider, Refund, RefundRequest,
    Stripe, StripeSettings,
};

/// stripe-mock, which rejects requests that the OpenAPI description or its API version does not
/// allow.
struct StripeMock {
    url: String,
    _guard: Guard,
    _folder: tempfile::TempDir,
}

impl StripeMock {
    async fn start() -> Option<Self> {
        let program = tools::install_stripe_mock().await?;
        shared_servers().await;
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", ports::free_port().unwrap());
        let options = GuardOptions {
            name: "stripe-mock".to_owned(),
            command: [
                program.to_str().unwrap(),
                "-http-addr",
                &address,
                "-strict-version-check",
            ]
            .map(Into::into)
            .to_vec(),
            environment: Vec::new(),
            removed_environment: Vec::new(),
            log: folder.path().join("log"),
            user: None,
            stop_signal: "TERM",
            grace_period: Duration::from_secs(1),
            remove_folder: None,
        };
        let guard = Guard::spawn(&options).unwrap();
        let url = format!("http://{address}");
        // Any response proves that the server runs; each of its pages needs a key.
        let http = reqwest::Client::new();
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let up = async {
            while http.get(&url).send().await.is_err() {
                tick.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), up)
            .await
            .unwrap();
        Some(Self {
            url,
            _guard: guard,
            _folder: folder,
        })
    }
}

fn make_past(asked: bool, hours: i64, transaction_id: Option<&str>) -> Past {
    let transaction_id = transaction_id.map(|id| TransactionId::parse(id).unwrap());
    Past {
        since: Utc::now() - TimeDelta::hours(hours),
        asked,
        transaction_id,
    }
}

fn charge_request(past: Past) -> ChargeRequest {
    ChargeRequest {
        payment_id: PaymentId::parse("pmt-'1\\").unwrap(),
        order_id: OrderId::parse("mock-1").unwrap(),
        amount: Money::from_minor(9_999, Currency::parse("USD").unwrap()).unwrap(),
        payment_method: Some("pm_card_visa".to_owned()),
        capture: CaptureMode::Immediate,
        past,
    }
}

fn refund_request(past: Past) -> RefundRequest {
    let ChargeRequest {
        payment_id,
        order_id,
        amount,
        past,
        ..
    } = charge_request(past);
    RefundRequest {
        payment_id,
        order_id,
        amount,
        key: "refund:mock-1".to_owned(),
        whole: true,
        provider: "stripe".to_owned(),
        past,
    }
}

#[tokio::test]
async fn every_request_matches_stripes_openapi_description() {
    let Some(mock) = StripeMock::start().await else {
        return;
    };
    let relay = Proxy::start(&mock.url).await;
    let settings = StripeSettings::new(relay.url.parse().unwrap(), "rk_test_123");
    let stripe = Stripe::new(settings).unwrap();

    // Its responses are examples. The proxy changes their fields so that the next request follows.
    relay.override_fields(json!({"status": "succeeded"}));
    assert!(matches!(
        stripe
            .charge(&charge_request(make_past(false, 0, None)))
            .await,
        Ok(Charge::Captured(_))
    ));
    // The newest intent belongs to another order and the key is a day old: we search, then create
    // an intent.
    assert!(matches!(
        stripe
            .charge(&charge_request(make_past(true, 30, None)))
            .await,
        Ok(Charge::Captured(_))
    ));
    relay.override_fields(json!({"status": "requires_action"}));
    assert!(matches!(
        stripe
            .charge(&charge_request(make_past(true, 0, Some("pi_1"))))
            .await,
        Ok(Charge::Unfinished(_))
    ));
    relay.override_fields(json!({"status": "requires_payment_method"}));
    assert!(matches!(
        stripe
            .charge(&charge_request(make_past(true, 0, Some("pi_1"))))
            .await,
        Ok(Charge::Declined(_))
    ));
    let paid = json!({"status": "succeeded", "amount_received": 9_999, "amount": 9_999});
    relay.override_fields(paid.clone());
    let refund = refund_request(make_past(true, 0, Some("pi_1")));
    let refunded = stripe.refund(&refund).await.unwrap();
    assert!(
        matches!(
            refunded,
            Refund::Refunded {
                refund_id: Some(_),
                ..
            }
        ),
        "{refunded:?}"
    );
    let part = RefundRequest {
        whole: false,
        key: "refund:mock-1:part".to_owned(),
        ..refund
    };
    assert!(matches!(
        stripe.refund(&part).await,
        Ok(Refund::Refunded { .. })
    ));
    // Nothing is found, so the key is used up. It must differ from the key of the charge above.
    let unheard_of = RefundRequest {
        payment_id: PaymentId::parse("pmt-2").unwrap(),
        ..refund_request(make_past(true, 0, None))
    };
    relay.override_fields(json!({}));
    assert!(matches!(
        stripe.refund(&unheard_of).await,
        Ok(Refund::NeverCaptured)
    ));

    relay.override_fields(json!({"status": "requires_capture"}));
    let authorisation = ChargeRequest {
        payment_id: PaymentId::parse("pmt-3").unwrap(),
        capture: CaptureMode::OnDispatch,
        ..charge_request(make_past(false, 0, None))
    };
    assert!(matches!(
        stripe.charge(&authorisation).await,
        Ok(Charge::Authorised(_))
    ));
    relay.override_fields(paid);
    let capture = CaptureRequest {
        order_id: authorisation.order_id.clone(),
        transaction_id: TransactionId::parse("pi_1").unwrap(),
        amount: authorisation.amount,
        key: "capture:mock-1".to_owned(),
    };
    assert!(matches!(
        stripe.capture(&capture).await,
        Ok(Capture::Captured { .. })
    ));
    let since = Utc::now() - TimeDelta::hours(1);
    let found = stripe.find_payment(&capture.transaction_id).await.unwrap();
    assert!(found.is_some_and(|payment| payment.has_money()));
    // The intents of the examples have no order.
    let found = stripe.find_payments(&capture.order_id, since).await;
    assert_eq!(found.unwrap(), Vec::new());
    let listed = stripe.list_payments(since).await.unwrap();
    assert!(listed.is_some_and(|payments| !payments.is_empty()));

    let calls = relay.calls();
    let refused: Vec<_> = calls.iter().filter(|call| call.status != 200).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let kind = |call: &RecordedCall| {
        format!(
            "{} {}",
            call.method,
            call.path.split("/pi_").next().unwrap()
        )
    };
    let kinds: BTreeSet<_> = calls.iter().map(kind).collect();
    let expected = [
        "GET /v1/payment_intents",
        "GET /v1/payment_intents/search",
        "GET /v1/refunds",
        "POST /v1/payment_intents",
        "POST /v1/refunds",
    ];
    assert_eq!(kinds, expected.map(ToOwned::to_owned).into());
    for action in ["/cancel", "/capture"] {
        let is_used = calls.iter().any(|call| call.path.ends_with(action));
        assert!(is_used, "{action}: {calls:?}");
    }
    // An invalid request is rejected; otherwise the checks above would prove nothing.
    let wrong = reqwest::Client::new()
        .post(format!("{}/v1/payment_intents", mock.url))
        .bearer_auth("rk_test_123");
    let wrong = wrong
        .header("content-type", "application/x-www-form-urlencoded")
        .body("amount=1&currency=usd&x=1");
    assert_eq!(wrong.send().await.unwrap().status(), 400);
}
