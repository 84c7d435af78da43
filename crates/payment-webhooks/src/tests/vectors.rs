//! The cases of tests/vectors, each with its expected verdict.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::{Deployment, Environment, Request, Secrets, events, verify};
use domain::WebhookProvider;

pub(super) fn provider(name: &str) -> WebhookProvider {
    match name {
        "standardwebhooks" => WebhookProvider::Standard,
        "checkoutcom" => WebhookProvider::Checkout,
        other => WebhookProvider::parse(other).unwrap(),
    }
}

pub(super) fn cases() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    let read = |path| serde_json::from_slice::<Vec<Value>>(&fs::read(path).unwrap()).unwrap();
    // Schemes that are not supported.
    let is_foreign =
        |case: &Value| matches!(case["provider"].as_str(), Some("paypal" | "braintree"));
    files
        .iter()
        .flat_map(read)
        .filter(|case| !is_foreign(case))
        .collect()
}

/// Returns the decision for a case that leaves the verdict open; docs/webhooks.md has the reasons.
/// `None`: both verdicts are correct.
fn decided(name: &str) -> Option<&'static str> {
    match name {
        // Without a signature, any sender could have written it.
        "mollie/classic-unsigned" => Some("reject:header"),
        _ => None,
    }
}

fn judged(case: &Value) -> String {
    let several = case["secret"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![case["secret"].clone()]);
    let secrets: Vec<&str> = several
        .iter()
        .map(|secret| secret.as_str().unwrap())
        .collect();
    let secrets = Secrets::new(provider(case["provider"].as_str().unwrap()), secrets).unwrap();
    let headers: Vec<_> = case["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let request = Request {
        headers: &headers,
        body: case["body"].as_str().unwrap().as_bytes(),
        now: case["now"].as_i64().unwrap_or(0),
        notification_url: case["notification_url"].as_str(),
    };
    match verify(&secrets, &request) {
        Ok(verified) => {
            assert!(!events(&verified, &Deployment::new(Environment::Test)).is_empty());
            "accept".to_owned()
        }
        Err(rejection) => format!("reject:{}", rejection.as_str()),
    }
}

#[test]
fn each_case_is_judged_as_it_says() {
    let mut counted = BTreeMap::new();
    for case in cases() {
        let name = format!(
            "{}/{}",
            case["provider"].as_str().unwrap(),
            case["name"].as_str().unwrap()
        );
        let judged = judged(&case);
        let expected = match case["expect"].as_str().unwrap() {
            "policy" => decided(&name).unwrap_or(&judged),
            expected => expected,
        };
        assert_eq!(judged, expected, "{name}");
        *counted
            .entry(case["provider"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    assert_eq!(counted.len(), WebhookProvider::ALL.len(), "{counted:?}");
}
