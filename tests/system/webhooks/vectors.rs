//! The cases of tests/vectors through the HTTP route, with the secrets and the time of each case.
//! An accepted case must get an outcome in `webhook_deliveries`; a rejected case must leave no row.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use temporalio_client::WorkflowDescribeOptions;
use temporalio_common::protos::temporal::api::enums::v1::WorkflowExecutionStatus;

use super::{
    function_server::{FunctionServer, PayloadFormat, connect_client},
    send_request, webhook_request,
};
use crate::harness::Harness;
use contract::settlement_workflow_id;
use domain::{PaymentEvent, WebhookProvider};
use payment_webhooks::{Deployment, Environment, Request, Secrets, events, verify};
use webhook::WebhookSecrets;
use workflows::SettlementWorkflow;

struct Case {
    name: String,
    provider: WebhookProvider,
    secrets: Secrets,
    headers: Vec<(String, String)>,
    body: String,
    now: i64,
    url: Option<String>,
    expect: String,
    /// The response that the provider expects, if the case defines one.
    response: Value,
}

/// Returns whether the cases belong to a scheme that we do not support.
fn is_unsupported(provider: &str) -> bool {
    matches!(provider, "paypal" | "braintree")
}

fn parse_provider(name: &str) -> WebhookProvider {
    match name {
        "standardwebhooks" => WebhookProvider::Standard,
        "checkoutcom" => WebhookProvider::Checkout,
        other => {
            WebhookProvider::parse(other).unwrap_or_else(|| panic!("unknown provider {other}"))
        }
    }
}

fn vector_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    files
}

fn read_cases() -> Vec<Case> {
    let read =
        |path: PathBuf| serde_json::from_slice::<Vec<Value>>(&fs::read(path).unwrap()).unwrap();
    vector_files()
        .into_iter()
        .flat_map(read)
        .filter_map(|case| Case::from_json(&case))
        .collect()
}

impl Case {
    fn from_json(case: &Value) -> Option<Self> {
        let text = |field: &str| {
            case[field]
                .as_str()
                .unwrap_or_else(|| panic!("no {field} in {case}"))
                .to_owned()
        };
        let of = text("provider");
        if is_unsupported(&of) {
            return None;
        }
        let provider = parse_provider(&of);
        let secrets = case["secret"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![case["secret"].clone()]);
        let headers = case["headers"].as_object().unwrap().iter();
        Some(Self {
            name: format!("{of}/{}", text("name")),
            provider,
            secrets: Secrets::new(
                provider,
                secrets.iter().map(|secret| secret.as_str().unwrap()),
            )
            .unwrap(),
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body: text("body"),
            now: case["now"].as_i64().unwrap_or(0),
            url: case["notification_url"].as_str().map(str::to_owned),
            expect: text("expect"),
            response: case["reply"].clone(),
        })
    }

    /// Returns our decision for a case with the expectation `policy`; docs/webhooks.md,
    /// "Decisions", has the reasons. For other such cases, both verdicts are correct.
    fn expected_by_policy(&self) -> Option<&'static str> {
        match self.name.as_str() {
            "mollie/classic-unsigned" => Some("reject:header"),
            _ => None,
        }
    }

    fn header_pairs(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Returns the events of the case, if its signature is valid.
    fn events_if_valid(&self) -> Option<Vec<PaymentEvent>> {
        let headers = self.header_pairs();
        let (body, url) = (self.body.as_bytes(), self.url.as_deref());
        let request = Request {
            headers: &headers,
            body,
            now: self.now,
            notification_url: url,
        };
        verify(&self.secrets, &request)
            .ok()
            .map(|verified| events(&verified, &Deployment::new(Environment::Test)))
    }
}

#[tokio::test]
async fn each_vector_gets_its_expected_verdict_over_http() {
    let harness = Harness::start().await;
    let orders = connect_client(&harness);
    let mut counted = BTreeMap::new();
    for case in read_cases() {
        for shape in [PayloadFormat::Http, PayloadFormat::Rest] {
            let events = case.events_if_valid().unwrap_or_default();
            let before = find_settlements(&harness, &events).await;
            let rows = harness.webhook_outcomes().await.len();
            let keyring = WebhookSecrets::from_secrets([case.secrets.clone()], case.url.clone());
            let door = FunctionServer::start(&orders, keyring, case.now, shape).await;
            let body = case.body.clone().into_bytes();
            let response = send_request(webhook_request(
                &door.url,
                case.provider.as_str(),
                &case.header_pairs(),
                body,
            ))
            .await;
            let name = format!("{} as {shape:?}", case.name);
            let seen = (response.status.as_u16(), response.body.clone());
            if !case.response.is_null() {
                assert_eq!(case.response["status"], seen.0, "{name}: {}", seen.1);
                assert!(
                    case.response["body"].is_null() || case.response["body"] == seen.1,
                    "{name}: {}",
                    seen.1
                );
            }
            let expected = match case.expect.as_str() {
                "policy" => case.expected_by_policy(),
                expect => Some(expect),
            };
            let accepts = expected.map_or(response.status.is_success(), |expected| {
                expected == "accept"
            });
            if accepts {
                assert!(response.status.is_success(), "{name}: {seen:?}");
                response.expect_accepted(case.provider);
                assert!(!events.is_empty(), "{name}");
                for (event, before) in events.iter().zip(before) {
                    wait_for_settlement(&harness, event, before).await;
                    harness.wait_for_outcome(&event.event_id).await;
                }
                continue;
            }
            let reason =
                expected.map(|expected| expected.strip_prefix("reject:").unwrap().to_owned());
            let reason = reason
                .unwrap_or_else(|| seen.1["reason"].as_str().unwrap_or("a reason").to_owned());
            let problem = response.expect_rejected(case.provider, &reason);
            let detail = problem["detail"].as_str().unwrap();
            let phrase = match reason.as_str() {
                "header" => "missing",
                "signature" => "does not match this body",
                "timestamp" => "too far in the past",
                other => panic!("{name}: {other}"),
            };
            assert!(detail.contains(phrase), "{name}: {detail}");
            assert_eq!(find_settlements(&harness, &events).await, before, "{name}");
            assert_eq!(harness.webhook_outcomes().await.len(), rows, "{name}");
        }
        *counted.entry(case.provider.as_str()).or_insert(0) += 1;
    }
    harness.assert_invariants().await;
    // Each of our providers has cases.
    assert_eq!(counted.len(), WebhookProvider::ALL.len(), "{counted:?}");
}

/// Returns the latest run of an event's settlement and whether it has ended; cases share events,
/// and so rows.
async fn find_settlement(harness: &Harness, event: &PaymentEvent) -> Option<(String, bool)> {
    let handle = harness
        .connect_to_temporal()
        .await
        .get_workflow_handle::<SettlementWorkflow>(settlement_workflow_id(event));
    let described = handle
        .describe(WorkflowDescribeOptions::default())
        .await
        .ok()?
        .raw_description;
    let info = described.workflow_execution_info.unwrap();
    let ended = info.status() == WorkflowExecutionStatus::Completed;
    Some((info.execution.unwrap().run_id, ended))
}

async fn find_settlements(
    harness: &Harness,
    events: &[PaymentEvent],
) -> Vec<Option<(String, bool)>> {
    let mut settlements = Vec::new();
    for event in events {
        settlements.push(find_settlement(harness, event).await);
    }
    settlements
}

/// Waits until Temporal has completed a new settlement of this event. A recorder takes events that
/// concern no order.
async fn wait_for_settlement(
    harness: &Harness,
    event: &PaymentEvent,
    before: Option<(String, bool)>,
) {
    if event.is_only_recorded() {
        return;
    }
    let before = before.map(|(run, _)| run);
    let ended = |seen: &Option<(String, bool)>| {
        seen.as_ref()
            .is_some_and(|(run, ended)| *ended && before.as_ref() != Some(run))
    };
    let read = async || find_settlement(harness, event).await;
    harness
        .wait_until(
            &format!("the settlement of {}", event.event_id),
            read,
            ended,
        )
        .await;
}
