//! The adapter of Stripe against a local server.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    fake_stripe::{FakeStripe, Fault},
    server::{Server, now, order, part, past, transaction, usd},
};
use crate::{
    Capture, CaptureRequest, Charge, ChargeRequest, EXTERNAL, PaymentProvider, Refund,
    RefundRequest, Stripe, StripeSettings,
};
use domain::{CaptureMode, PaymentId};

const NOW: TimeDelta = TimeDelta::zero();
const MINUTES: TimeDelta = TimeDelta::minutes(2);
const DAY: TimeDelta = TimeDelta::hours(25);
const CREATE: &str = "POST /v1/payment_intents";
const SEARCH: &str = "GET /v1/payment_intents/search";

struct Setup {
    server: Server<FakeStripe>,
    stripe: Stripe,
}

impl Setup {
    async fn start() -> Self {
        let server = Server::start(FakeStripe::default()).await;
        let settings = StripeSettings::new(server.url.parse().unwrap(), "rk_test_secret");
        let stripe = Stripe::new(settings).unwrap();
        Self { server, stripe }
    }

    /// Charges the order `order-1`; `age` is the time since the first try.
    async fn charge(&self, capture: CaptureMode, age: TimeDelta) -> Result<Charge, String> {
        self.charge_method("pm_card_visa", capture, age).await
    }

    async fn charge_method(
        &self,
        method: &str,
        capture: CaptureMode,
        age: TimeDelta,
    ) -> Result<Charge, String> {
        let request = ChargeRequest {
            payment_id: PaymentId::parse("pmt-1").unwrap(),
            order_id: order("order-1"),
            amount: usd(9_999),
            payment_method: Some(method.to_owned()),
            capture,
            past: past(age, None),
        };
        let charged = self.stripe.charge(&request).await;
        charged.map_err(|error| error.to_string())
    }

    async fn capture(&self, amount: i64, key: &str) -> Capture {
        let request = CaptureRequest {
            order_id: order("order-1"),
            transaction_id: transaction("pi_1"),
            amount: usd(amount),
            key: key.to_owned(),
        };
        self.stripe.capture(&request).await.unwrap()
    }

    async fn refund_part(&self, amount: i64, key: &str) -> Refund {
        let request = part(amount, key, "stripe", "pi_1");
        self.stripe.refund(&request).await.unwrap()
    }

    async fn refund_whole(&self) -> Refund {
        let request = RefundRequest {
            whole: true,
            ..part(9_999, "refund:order-1:pmt-1:whole", "stripe", "pi_1")
        };
        self.stripe.refund(&request).await.unwrap()
    }

    /// Compensates a charge with an unknown outcome.
    async fn give_up(&self, age: TimeDelta) -> Result<Refund, String> {
        self.give_up_amount(9_999, age).await
    }

    async fn give_up_amount(&self, amount: i64, age: TimeDelta) -> Result<Refund, String> {
        let request = RefundRequest {
            whole: true,
            past: past(age, None),
            ..part(amount, "refund:order-1:pmt-1:whole", "stripe", "pi_1")
        };
        let refunded = self.stripe.refund(&request).await;
        refunded.map_err(|error| error.to_string())
    }

    fn fail_next(&self, fault: Fault) {
        self.server.with(|state| state.faults.push_back(fault));
    }
}

fn captured() -> Result<Charge, String> {
    Ok(Charge::Captured(transaction("pi_1")))
}

fn refunded(refund_id: Option<&str>, amount: i64) -> Refund {
    Refund::Refunded {
        transaction_id: transaction("pi_1"),
        refund_id: refund_id.map(str::to_owned),
        amount: usd(amount),
    }
}

#[tokio::test]
async fn repeated_charge_sends_only_the_same_request() {
    let setup = Setup::start().await;
    setup.fail_next(Fault::Reject(503));
    let failed = setup.charge(CaptureMode::Immediate, NOW).await.unwrap_err();
    assert_eq!(
        failed,
        "Stripe answered payment_intents.create with 503 api_error"
    );
    assert_eq!(setup.charge(CaptureMode::Immediate, NOW).await, captured());
    assert_eq!(setup.charge(CaptureMode::Immediate, NOW).await, captured());
    let calls = setup.server.take_calls();
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert_eq!(call.line(), CREATE);
        assert_eq!(call.header("idempotency-key"), Some("charge:order-1:pmt-1"));
        assert_eq!(call.body, calls[0].body);
        assert_eq!(call.field("capture_method"), None);
    }
    assert_eq!(setup.server.with(|state| state.intents.len()), 1);
}

#[tokio::test]
async fn charge_after_a_minute_is_searched_first() {
    let setup = Setup::start().await;
    setup.fail_next(Fault::ExecuteAndStore(500));
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    assert_eq!(
        setup.charge(CaptureMode::Immediate, MINUTES).await,
        captured()
    );
    let lines = setup.server.take_lines();
    assert_eq!(lines, [CREATE, SEARCH, "GET /v1/payment_intents/pi_1"]);
}

#[tokio::test]
async fn stored_failure_is_searched_at_once() {
    let setup = Setup::start().await;
    setup.fail_next(Fault::ExecuteAndStore(500));
    // The second response is a replay of the first.
    for _ in 0..2 {
        assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    }
    assert_eq!(setup.charge(CaptureMode::Immediate, NOW).await, captured());
    let lines = setup.server.take_lines();
    assert_eq!(
        lines,
        [CREATE, CREATE, SEARCH, "GET /v1/payment_intents/pi_1"]
    );
}

#[tokio::test]
async fn equal_failures_lead_to_a_search() {
    let setup = Setup::start().await;
    for _ in 0..3 {
        setup.fail_next(Fault::Reject(502));
        assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    }
    assert_eq!(setup.charge(CaptureMode::Immediate, NOW).await, captured());
    let lines = setup.server.take_lines();
    assert_eq!(lines, [CREATE, CREATE, CREATE, SEARCH, CREATE]);
}

#[tokio::test]
async fn charge_after_a_day_is_searched_before_it_is_repeated() {
    let setup = Setup::start().await;
    assert_eq!(setup.charge(CaptureMode::Immediate, DAY).await, captured());
    assert_eq!(setup.charge(CaptureMode::Immediate, DAY).await, captured());
    let lines = setup.server.take_lines();
    assert_eq!(
        lines,
        [SEARCH, CREATE, SEARCH, "GET /v1/payment_intents/pi_1"]
    );
    assert_eq!(setup.server.with(|state| state.intents.len()), 1);
}

#[tokio::test]
async fn account_without_search_uses_the_list() {
    let setup = Setup::start().await;
    setup.server.with(|state| state.has_no_search = true);
    setup.fail_next(Fault::ExecuteAndStore(500));
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    assert_eq!(
        setup.charge(CaptureMode::Immediate, MINUTES).await,
        captured()
    );
    let found = setup
        .stripe
        .find_payments(&order("order-1"), now() - DAY)
        .await;
    assert_eq!(found.unwrap().len(), 1);
}

#[tokio::test]
async fn declined_charge_is_cancelled() {
    let setup = Setup::start().await;
    let declined = setup
        .charge_method("pm_card_declined", CaptureMode::Immediate, NOW)
        .await;
    assert_eq!(
        declined,
        Ok(Charge::Declined("insufficient_funds".to_owned()))
    );
    let status = setup
        .server
        .with(|state| state.intent("pi_1")["status"].clone());
    assert_eq!(status, "canceled");
}

#[tokio::test]
async fn manual_capture_only_authorises() {
    let setup = Setup::start().await;
    let authorised = Ok(Charge::Authorised(transaction("pi_1")));
    assert_eq!(setup.charge(CaptureMode::OnDispatch, NOW).await, authorised);
    let calls = setup.server.take_calls();
    assert_eq!(calls[0].field("capture_method").as_deref(), Some("manual"));
    assert_eq!(
        setup.charge(CaptureMode::OnDispatch, MINUTES).await,
        authorised
    );
}

#[tokio::test]
async fn capture_is_made_once() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::OnDispatch, NOW).await.unwrap();
    let all = Capture::Captured {
        capture_id: None,
        amount: usd(9_000),
    };
    setup.server.take_calls();
    assert_eq!(setup.capture(9_000, "capture:1").await, all);
    assert_eq!(setup.capture(9_000, "capture:1").await, all);
    let calls = setup.server.take_calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].line(), "POST /v1/payment_intents/pi_1/capture");
    assert_eq!(calls[0].body, "amount_to_capture=9000");
    assert_eq!(calls[0].header("idempotency-key"), Some("capture:1"));
    // With another key, Stripe refuses, because the intent is captured.
    assert_eq!(setup.capture(9_999, "capture:2").await, all);
    // The released rest of the authorisation is not a refund.
    let found = setup.stripe.find_payment(&transaction("pi_1")).await;
    let found = found.unwrap().unwrap();
    assert_eq!(
        (found.authorised, found.captured, found.refunded),
        (Some(usd(9_999)), usd(9_000), usd(0))
    );
    assert_eq!(setup.refund_whole().await, refunded(Some("re_1"), 9_000));
}

#[tokio::test]
async fn impossible_capture_is_refused_with_a_code() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::OnDispatch, NOW).await.unwrap();
    let refused = |reason: &str| Capture::Refused {
        reason: reason.to_owned(),
    };
    assert_eq!(
        setup.capture(10_000, "capture:1").await,
        refused("amount_too_large")
    );
    assert_eq!(
        setup.capture(0, "capture:0").await,
        refused("amount_not_capturable")
    );
    assert_eq!(setup.refund_whole().await, Refund::NeverCaptured);
    assert_eq!(
        setup.capture(9_999, "capture:2").await,
        refused("payment_canceled")
    );
    let gateway = CaptureRequest {
        order_id: order("order-1"),
        transaction_id: transaction("txn-gateway"),
        amount: usd(1),
        key: "capture:3".to_owned(),
    };
    assert_eq!(
        setup.stripe.capture(&gateway).await.unwrap(),
        Capture::Unsupported
    );
}

#[tokio::test]
async fn partial_refunds_with_different_keys_add_up() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::Immediate, NOW).await.unwrap();
    assert_eq!(
        setup.refund_part(4_000, "a").await,
        refunded(Some("re_1"), 4_000)
    );
    assert_eq!(
        setup.refund_part(4_000, "b").await,
        refunded(Some("re_2"), 4_000)
    );
    // Only 19.99 are left.
    assert_eq!(
        setup.refund_part(4_000, "c").await,
        refunded(Some("re_3"), 1_999)
    );
    assert_eq!(setup.refund_part(1, "d").await, refunded(None, 9_999));
    assert_eq!(setup.refund_whole().await, refunded(None, 9_999));
    assert_eq!(
        setup.server.with(|state| state.refunded()),
        [4_000, 4_000, 1_999]
    );
}

#[tokio::test]
async fn refund_with_same_key_is_made_once() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::Immediate, NOW).await.unwrap();
    setup.server.take_calls();
    for _ in 0..3 {
        let made = setup.refund_part(4_000, "a").await;
        assert_eq!(made, refunded(Some("re_1"), 4_000));
    }
    let posts: Vec<_> = setup
        .server
        .take_calls()
        .into_iter()
        .filter(|call| call.method == "POST")
        .collect();
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].header("idempotency-key"), Some("a"));
    assert_eq!(posts[0].field("metadata[refund_key]").as_deref(), Some("a"));
    assert_eq!(posts[0].field("amount").as_deref(), Some("4000"));
}

#[tokio::test]
async fn refund_with_lost_response_is_found() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::Immediate, NOW).await.unwrap();
    setup.fail_next(Fault::ExecuteAndStore(500));
    let request = part(4_000, "a", "stripe", "pi_1");
    assert!(setup.stripe.refund(&request).await.is_err());
    assert_eq!(
        setup.refund_part(4_000, "a").await,
        refunded(Some("re_1"), 4_000)
    );
    assert_eq!(setup.server.with(|state| state.refunded()), [4_000]);
}

#[tokio::test]
async fn whole_refund_takes_what_is_left() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::Immediate, NOW).await.unwrap();
    setup.refund_part(4_000, "a").await;
    // The amount of the request does not matter.
    for amount in [0, 1, 9_999] {
        let request = RefundRequest {
            whole: true,
            ..part(amount, "refund:order-1:pmt-1:whole", "stripe", "pi_1")
        };
        let made = setup.stripe.refund(&request).await.unwrap();
        assert_eq!(made, refunded(Some("re_2"), 5_999));
    }
    assert_eq!(setup.server.with(|state| state.refunded()), [4_000, 5_999]);
}

#[tokio::test]
async fn whole_refund_of_previous_release_counts() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::Immediate, NOW).await.unwrap();
    setup.server.with(|state| {
        state.refunds.push(json!({
            "id": "re_old", "payment_intent": "pi_1", "amount": 9_999, "status": "pending",
            "metadata": {"order_id": "order-1", "payment_id": "pmt-1"},
        }));
    });
    assert_eq!(setup.refund_whole().await, refunded(Some("re_old"), 9_999));
    assert_eq!(setup.server.with(|state| state.refunds.len()), 1);
}

#[tokio::test]
async fn failed_refund_is_unsupported() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::Immediate, NOW).await.unwrap();
    setup.refund_part(4_000, "a").await;
    setup
        .server
        .with(|state| state.refunds[0]["status"] = json!("failed"));
    assert_eq!(setup.refund_part(4_000, "a").await, Refund::Unsupported);
    assert_eq!(
        setup.refund_part(9_999, "b").await,
        refunded(Some("re_2"), 9_999)
    );
}

#[tokio::test]
async fn payment_elsewhere_is_unsupported() {
    let setup = Setup::start().await;
    for (provider, transaction_id) in [
        (EXTERNAL, "txn-1"),
        (EXTERNAL, "pi_missing"),
        ("stripe", "pi_missing"),
        ("adyen", "pi_1"),
    ] {
        let request = part(1, "a", provider, transaction_id);
        let refund = setup.stripe.refund(&request).await.unwrap();
        assert_eq!(refund, Refund::Unsupported, "{provider} {transaction_id}");
    }
}

#[tokio::test]
async fn abandoned_charge_uses_up_its_key() {
    let setup = Setup::start().await;
    setup.fail_next(Fault::Reject(503));
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    assert_eq!(setup.give_up(NOW).await, Ok(Refund::NeverCaptured));
    assert_eq!(setup.give_up(NOW).await, Ok(Refund::NeverCaptured));
    // The late request does not charge.
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    let intents = setup.server.with(|state| state.intents.clone());
    assert_eq!(intents.len(), 1);
    assert_eq!(intents[0]["status"], "canceled");
}

#[tokio::test]
async fn abandoned_charge_of_unknown_amount_uses_up_its_key() {
    let setup = Setup::start().await;
    assert_eq!(
        setup.give_up_amount(0, NOW).await,
        Ok(Refund::NeverCaptured)
    );
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    let intents = setup.server.with(|state| state.intents.clone());
    assert_eq!(intents.len(), 1);
    assert_eq!(intents[0]["amount"], 1_000_000);
    // A refusal proves something only if the request had the amount of the charge.
    let setup = Setup::start().await;
    setup.fail_next(Fault::Reject(400));
    assert!(setup.give_up_amount(0, NOW).await.is_err());
    setup.fail_next(Fault::Reject(400));
    assert_eq!(setup.give_up(NOW).await, Ok(Refund::NeverCaptured));
}

#[tokio::test]
async fn stored_failure_of_the_void_uses_up_the_key_too() {
    let setup = Setup::start().await;
    setup.fail_next(Fault::Store(500));
    assert!(setup.give_up(NOW).await.is_err());
    assert_eq!(setup.give_up(NOW).await, Ok(Refund::NeverCaptured));
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    assert_eq!(setup.server.with(|state| state.intents.len()), 0);
}

#[tokio::test]
async fn abandoned_charge_that_was_executed_is_refunded() {
    for (age, search_is_late) in [(NOW, true), (MINUTES, false), (MINUTES, true), (DAY, false)] {
        let setup = Setup::start().await;
        setup.fail_next(Fault::ExecuteAndStore(500));
        assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
        setup
            .server
            .with(|state| state.search_is_late = search_is_late);
        assert_eq!(
            setup.give_up(age).await,
            Ok(refunded(Some("re_1"), 9_999)),
            "{age} {search_is_late}"
        );
    }
}

#[tokio::test]
async fn stored_failure_without_intent_was_never_captured() {
    let setup = Setup::start().await;
    setup.fail_next(Fault::Store(500));
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    assert!(setup.give_up(NOW).await.is_err());
    assert_eq!(setup.give_up(MINUTES).await, Ok(Refund::NeverCaptured));
    assert_eq!(setup.server.with(|state| state.intents.len()), 0);
}

#[tokio::test]
async fn too_many_intents_are_no_proof() {
    let setup = Setup::start().await;
    setup.fail_next(Fault::Store(500));
    assert!(setup.charge(CaptureMode::Immediate, NOW).await.is_err());
    setup.server.with(|state| {
        for _ in 0..250 {
            state.add_intent("succeeded", 1, Some("other"));
        }
    });
    assert!(setup.give_up(MINUTES).await.is_err());
    // By now, the search is reliable.
    let later = TimeDelta::minutes(90);
    assert_eq!(setup.give_up(later).await, Ok(Refund::NeverCaptured));
}

#[tokio::test]
async fn partial_refund_never_voids() {
    let setup = Setup::start().await;
    setup.charge(CaptureMode::OnDispatch, NOW).await.unwrap();
    assert_eq!(setup.refund_part(1, "a").await, Refund::NeverCaptured);
    let unknown = RefundRequest {
        past: past(NOW, None),
        payment_id: PaymentId::parse("pmt-2").unwrap(),
        ..part(1, "a", "stripe", "pi_1")
    };
    assert!(setup.stripe.refund(&unknown).await.is_err());
    let intents = setup.server.with(|state| state.intents.clone());
    assert_eq!(intents.len(), 1);
    assert_eq!(intents[0]["status"], "requires_capture");
}

#[tokio::test]
async fn payments_of_an_order_are_found() {
    let setup = Setup::start().await;
    let since = now();
    setup.server.with(|state| {
        state.add_intent("succeeded", 4_000, Some("order-1"));
        state.add_intent("requires_capture", 3_000, Some("order-1"));
        state.add_intent("processing", 2_000, Some("order-1"));
        state.add_intent("requires_payment_method", 1_000, Some("order-1"));
        state.add_intent("canceled", 1_000, Some("order-1"));
        state.add_intent("succeeded", 9_999, Some("order-2"));
        state.add_intent("succeeded", 9_999, None);
    });
    setup.refund_part(500, "a").await;
    // At first, the list is complete; later, the search is needed for these payments.
    for others in [0, 250] {
        setup.server.with(|state| {
            for _ in 0..others {
                state.add_intent("succeeded", 9_999, Some("order-3"));
            }
        });
        let found = setup.stripe.find_payments(&order("order-1"), since).await;
        let mut found = found.unwrap();
        found.sort_by_key(|payment| payment.transaction_id.clone());
        let amounts: Vec<_> = found
            .iter()
            .map(|payment| {
                let id = payment.transaction_id.as_str();
                (id, payment.captured.minor(), payment.refunded.minor())
            })
            .collect();
        assert_eq!(
            amounts,
            [("pi_1", 4_000, 500), ("pi_2", 0, 0), ("pi_3", 0, 0)]
        );
        assert_eq!(found[0].order_id, Some(order("order-1")));
        assert_eq!(found[0].aliases, [transaction("ch_1")]);
        assert_eq!(found[1].authorised, Some(usd(3_000)));
        assert!(found[2].processing && found[2].authorised.is_none());
    }
}

#[tokio::test]
async fn old_payment_of_an_order_is_found_by_search() {
    let setup = Setup::start().await;
    let created = (now() - TimeDelta::hours(3)).timestamp();
    setup.server.with(|state| {
        let id = state.add_intent("succeeded", 4_000, Some("order-1"));
        state.intent(&id)["created"] = json!(created);
        for _ in 0..250 {
            state.add_intent("succeeded", 9_999, Some("order-3"));
        }
    });
    let find = async |hours| {
        let since = now() - TimeDelta::hours(hours);
        let found = setup.stripe.find_payments(&order("order-1"), since).await;
        found.unwrap().len()
    };
    assert_eq!(find(4).await, 1);
    assert_eq!(find(2).await, 0);
    setup.server.with(|state| state.has_no_search = true);
    assert_eq!(find(4).await, 1);
}

#[tokio::test]
async fn one_payment_is_found_in_any_state() {
    let setup = Setup::start().await;
    setup.server.with(|state| {
        state.add_intent("canceled", 4_000, Some("order-1"));
    });
    let find = async |id| {
        let found = setup.stripe.find_payment(&transaction(id)).await;
        found.unwrap()
    };
    let found = find("pi_1").await.unwrap();
    assert!(found.ended && !found.has_money());
    assert_eq!(find("pi_missing").await, None);
    assert_eq!(find("txn-1").await, None);
}

#[tokio::test]
async fn list_of_payments_has_all_pages() {
    let setup = Setup::start().await;
    let since = now() - TimeDelta::hours(1);
    setup.server.with(|state| {
        for number in 0..250 {
            let status = if number % 5 == 0 {
                "canceled"
            } else {
                "succeeded"
            };
            state.add_intent(status, 1, Some("order-1"));
        }
        let id = state.add_intent("succeeded", 1, None);
        state.intent(&id)["created"] = json!((now() - DAY).timestamp());
    });
    let listed = setup.stripe.list_payments(since).await.unwrap().unwrap();
    assert_eq!(listed.len(), 200);
    let calls = setup.server.take_calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0].query("starting_after"), None);
    assert_eq!(calls[1].query("starting_after"), Some("pi_151"));
    assert_eq!(calls[2].query("starting_after"), Some("pi_51"));
    for call in &calls {
        assert_eq!(call.query("expand[]"), Some("data.latest_charge"));
        assert_eq!(
            call.query("created[gte]"),
            Some(since.timestamp().to_string().as_str())
        );
    }
}

#[tokio::test]
async fn list_of_payments_is_bounded() {
    let setup = Setup::start().await;
    setup.server.with(|state| {
        for _ in 0..5_001 {
            state.add_intent("succeeded", 1, None);
        }
    });
    let since = now() - TimeDelta::hours(1);
    let error = setup.stripe.list_payments(since).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Stripe has more than 5000 payments"),
        "{error}"
    );
    assert_eq!(setup.server.take_calls().len(), 50);
}

#[tokio::test]
async fn errors_have_no_secrets() {
    let setup = Setup::start().await;
    for status in [401, 403, 429, 500] {
        setup.fail_next(Fault::Reject(status));
        let error = setup.charge(CaptureMode::Immediate, NOW).await.unwrap_err();
        assert!(
            error.contains(&status.to_string())
                && !error.contains("4242")
                && !error.contains("secret"),
            "{error}"
        );
    }
    let settings = StripeSettings::new("http://127.0.0.1:1".parse().unwrap(), "rk_test_secret");
    let stripe = Stripe::new(settings).unwrap();
    let error = stripe.find_payment(&transaction("pi_1")).await.unwrap_err();
    assert_eq!(error.to_string(), "failed to connect to Stripe");
    assert!(!format!("{stripe:?}").contains("secret"));
}
