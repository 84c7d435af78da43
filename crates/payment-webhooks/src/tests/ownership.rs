//! Events that belong to another system or to another account.

use serde_json::json;

use super::*;
use domain::PaymentEventKind as Kind;

const STRIPE: WebhookProvider = WebhookProvider::Stripe;

fn deployment(environment: Environment, accounts: &[&str]) -> Deployment {
    let accounts: Vec<_> = accounts.iter().map(|name| (*name).to_owned()).collect();
    Deployment {
        stripe_accounts: accounts.clone(),
        adyen_merchant_accounts: accounts,
        ..Deployment::new(environment)
    }
}

fn reason(event: &PaymentEvent) -> Option<&str> {
    if let Kind::Ignored { reason, .. } = &event.kind {
        reason.as_deref()
    } else {
        None
    }
}

/// Returns the body of each sample of Stripe, and a thin event.
fn stripe_bodies() -> Vec<Value> {
    let samples = SampleKind::ALL.iter().filter_map(|kind| {
        let message = sampled(STRIPE, *kind, usd(1_999))?;
        Some(serde_json::from_slice(&message.body).unwrap())
    });
    let thin = json!({
        "id": "evt_1", "type": "v1.payment_intent.succeeded", "related_object": {"id": "tx_1"},
    });
    let untyped = json!({"id": "evt_1"});
    samples.chain([thin, untyped]).collect()
}

#[test]
fn stripe_event_of_the_other_system_is_ignored() {
    for (environment, livemode) in [(Environment::Test, true), (Environment::Live, false)] {
        for mut body in stripe_bodies() {
            let ours = deployment(environment, &[]);
            body["livemode"] = json!(livemode);
            let event = read_by(&ours, STRIPE, &body);
            assert!(
                reason(&event).is_some_and(|reason| reason.contains("livemode")),
                "{event:?}"
            );
            assert!(!event.concerns_order());
            body["livemode"] = json!(!livemode);
            assert_eq!(reason(&read_by(&ours, STRIPE, &body)), None, "{body}");
            body.as_object_mut().unwrap().remove("livemode");
            assert_eq!(reason(&read_by(&ours, STRIPE, &body)), None, "{body}");
        }
    }
}

#[test]
fn stripe_event_of_another_account_is_ignored() {
    let none = deployment(Environment::Test, &[]);
    let listed = deployment(Environment::Test, &["acct_ours", "acct_second"]);
    for mut body in stripe_bodies() {
        for field in ["account", "context"] {
            body[field] = json!("acct_other");
            for ours in [&none, &listed] {
                let event = read_by(ours, STRIPE, &body);
                assert!(
                    reason(&event).is_some_and(|reason| reason.contains("acct_other")),
                    "{event:?}"
                );
            }
            body[field] = json!("acct_second");
            assert!(reason(&read_by(&none, STRIPE, &body)).is_some());
            assert_eq!(reason(&read_by(&listed, STRIPE, &body)), None);
            body[field] = json!("org_1/acct_second");
            assert_eq!(reason(&read_by(&listed, STRIPE, &body)), None);
            for odd in [json!(1), json!(""), json!("4111111111111111")] {
                body[field] = odd;
                let event = read_by(&listed, STRIPE, &body);
                assert!(
                    reason(&event).is_some_and(|reason| reason.contains("unreadable")),
                    "{event:?}"
                );
            }
            body[field] = json!(null);
        }
        assert_eq!(reason(&read_by(&listed, STRIPE, &body)), None);
    }
}

#[test]
fn adyen_item_of_another_account_is_ignored() {
    for kind in SampleKind::ALL {
        let Some(message) = sampled(WebhookProvider::Adyen, *kind, usd(1_999)) else {
            continue;
        };
        let told = |accounts: &[&str]| {
            let ours = deployment(Environment::Test, accounts);
            told_to(&ours, WebhookProvider::Adyen, &message).unwrap()
        };
        for ours in [&[][..], &["Orderflow"], &["Other", "Orderflow"]] {
            assert_eq!(reason(&told(ours)[0]), None, "{kind}");
        }
        let event = &told(&["Other"])[0];
        assert!(
            reason(event).is_some_and(|reason| reason.contains("Orderflow")),
            "{event:?}"
        );
        let live = deployment(Environment::Live, &[]);
        let events = told_to(&live, WebhookProvider::Adyen, &message).unwrap();
        assert!(reason(&events[0]).is_some(), "{kind}");
    }
}

#[test]
fn settings_name_the_accounts() {
    let read = |pairs: &[(&str, &str)]| {
        let variables = settings::Environment::from_pairs(pairs.iter().copied());
        Deployment::from_settings(&variables)
    };
    assert_eq!(read(&[]).unwrap(), Deployment::new(Environment::Live));
    let set = read(&[
        ("WEBHOOK_ENVIRONMENT", "test"),
        ("STRIPE_ACCOUNTS", "acct_1, acct_2,"),
        ("ADYEN_MERCHANT_ACCOUNTS", "Shop"),
        ("ADYEN_CAPTURE", "manual"),
    ])
    .unwrap();
    assert_eq!(set.stripe_accounts, ["acct_1", "acct_2"]);
    assert_eq!(set.adyen_merchant_accounts, ["Shop"]);
    assert_eq!(set.adyen_capture, crate::AdyenCapture::Manual);
    assert!(read(&[("ADYEN_CAPTURE", "later")]).is_err());
}
