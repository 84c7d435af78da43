//! The adapter of Adyen against a local server.

use std::collections::VecDeque;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::server::{Call, Handler, Reply, Server, order, part, past, transaction, usd};
use crate::{
    Adyen, AdyenSettings, Capture, CaptureRequest, PaymentProvider, Refund, RefundRequest,
};
use domain::{Currency, Money};

/// Returns the prepared responses, and then "received".
#[derive(Default)]
struct FakeAdyen(VecDeque<Reply>);

impl Handler for FakeAdyen {
    fn respond(&mut self, _: &Call) -> Reply {
        let received = json!({"status": "received", "pspReference": "PSP-REQUEST",
            "paymentPspReference": "PSP-1"});
        self.0
            .pop_front()
            .unwrap_or(Reply(201, Vec::new(), received))
    }
}

async fn start() -> (Server<FakeAdyen>, Adyen) {
    let server = Server::start(FakeAdyen::default()).await;
    let base = format!("{}/checkout/v71", server.url).parse().unwrap();
    let settings = AdyenSettings::new(base, "AQE-secret", "ShopEU");
    (server, Adyen::new(settings).unwrap())
}

fn refusal(status: u16, code: &str) -> Reply {
    let body = json!({"status": status, "errorCode": code, "errorType": "validation",
        "message": "card 4242 of AQE-secret"});
    Reply(status, Vec::new(), body)
}

fn capture_request(amount: Money) -> CaptureRequest {
    CaptureRequest {
        order_id: order("order-1"),
        transaction_id: transaction("PSP-1"),
        amount,
        key: "capture:order-1".to_owned(),
    }
}

fn refund_request(amount: i64, key: &str) -> RefundRequest {
    part(amount, key, "adyen", "PSP-1")
}

fn body(call: &Call) -> Value {
    serde_json::from_str(&call.body).unwrap()
}

#[tokio::test]
async fn modifications_have_exact_bodies() {
    let (server, adyen) = start().await;
    let captured = adyen.capture(&capture_request(usd(9_999))).await.unwrap();
    assert_eq!(captured, Capture::Requested);
    let requested = Refund::Requested {
        refund_id: Some("PSP-REQUEST".to_owned()),
    };
    let refunded = adyen.refund(&refund_request(4_000, "a")).await.unwrap();
    assert_eq!(refunded, requested);
    let cancel = RefundRequest {
        whole: true,
        ..refund_request(0, "b")
    };
    assert_eq!(adyen.refund(&cancel).await.unwrap(), requested);
    let calls = server.take_calls();
    let sent: Vec<_> = calls.iter().map(|call| (call.line(), body(call))).collect();
    assert_eq!(
        sent,
        [
            (
                "POST /checkout/v71/payments/PSP-1/captures".to_owned(),
                json!({"merchantAccount": "ShopEU", "reference": "order-1",
                    "amount": {"currency": "USD", "value": 9_999}}),
            ),
            (
                "POST /checkout/v71/payments/PSP-1/refunds".to_owned(),
                json!({"merchantAccount": "ShopEU", "reference": "order-1",
                    "amount": {"currency": "USD", "value": 4_000}}),
            ),
            (
                "POST /checkout/v71/payments/PSP-1/cancels".to_owned(),
                json!({"merchantAccount": "ShopEU", "reference": "order-1"}),
            ),
        ]
    );
    for call in &calls {
        assert_eq!(call.header("x-api-key"), Some("AQE-secret"));
        assert_eq!(call.header("content-type"), Some("application/json"));
        assert_eq!(call.header("idempotency-key").unwrap().len(), 64);
    }
}

#[tokio::test]
async fn each_key_is_one_request() {
    let (server, adyen) = start().await;
    let long = "k".repeat(200);
    for key in ["a", "a", "b", &long] {
        adyen.refund(&refund_request(1, key)).await.unwrap();
    }
    let calls = server.take_calls();
    let key = |number: usize| calls[number].header("idempotency-key").unwrap();
    assert_eq!(key(0), key(1));
    assert_ne!(key(1), key(2));
    assert_ne!(key(2), key(3));
}

#[tokio::test]
async fn refused_request_is_final() {
    let (server, adyen) = start().await;
    server.with(|state| {
        state.0.push_back(refusal(422, "167"));
        state.0.push_back(refusal(422, "167"));
        state.0.push_back(refusal(400, "bad code of AQE-secret"));
    });
    let capture = capture_request(usd(1));
    let refused = |reason: &str| Capture::Refused {
        reason: reason.to_owned(),
    };
    assert_eq!(adyen.capture(&capture).await.unwrap(), refused("adyen_167"));
    let refund = adyen.refund(&refund_request(1, "a")).await.unwrap();
    assert_eq!(refund, Refund::Unsupported);
    assert_eq!(adyen.capture(&capture).await.unwrap(), refused("http_400"));
}

#[tokio::test]
async fn unclear_response_is_repeated() {
    let (server, adyen) = start().await;
    let transient = Reply(422, vec![("transient-error", "true".to_owned())], json!({}));
    let replies = [
        refusal(401, "000"),
        refusal(403, "010"),
        refusal(422, "704"),
        refusal(429, "1"),
        refusal(500, "905"),
        transient,
        Reply(201, Vec::new(), json!("unreadable")),
    ];
    let number = replies.len();
    server.with(|state| state.0.extend(replies));
    for _ in 0..number {
        let error = adyen.refund(&refund_request(1, "a")).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("Adyen") && !text.contains("4242") && !text.contains("secret"),
            "{text}"
        );
    }
    assert!(!format!("{adyen:?}").contains("secret"));
}

#[tokio::test]
async fn payment_elsewhere_is_unsupported() {
    let (server, adyen) = start().await;
    let other = part(1, "a", "stripe", "pi_1");
    assert_eq!(adyen.refund(&other).await.unwrap(), Refund::Unsupported);
    let unknown = RefundRequest {
        past: past(TimeDelta::zero(), None),
        ..refund_request(1, "a")
    };
    assert_eq!(adyen.refund(&unknown).await.unwrap(), Refund::Unsupported);
    // A part of nothing.
    let nothing = refund_request(0, "a");
    assert_eq!(adyen.refund(&nothing).await.unwrap(), Refund::Unsupported);
    assert!(server.take_calls().is_empty());
}

#[tokio::test]
async fn amounts_use_adyens_units() {
    let (server, adyen) = start().await;
    let pesos = Money::from_minor(10, Currency::parse("CLP").unwrap()).unwrap();
    adyen.capture(&capture_request(pesos)).await.unwrap();
    let calls = server.take_calls();
    assert_eq!(
        body(&calls[0])["amount"],
        json!({"currency": "CLP", "value": 1_000})
    );
}
