//! Signs and verifies the cases of a JSON file, for `tests/webhook-sdks/run.sh`: `judge IN OUT`.
//!
//! IN is a list of `{"provider", "secret", "now", "body", "headers"}`. For a case with headers, OUT
//! has `accept` or `reject:…`. For a case without, OUT has the message that the provider would
//! send: `{"headers", "body"}`.

#![expect(clippy::unwrap_used, reason = "what can't go on stops the check")]

use std::{env, fs};

use serde_json::{Value, json};

use domain::WebhookProvider;
use payment_webhooks::{Message, Request, Secrets, Signing, sign, verify};

fn main() {
    let paths: Vec<_> = env::args().skip(1).collect();
    let [from, to] = &paths[..] else {
        panic!("judge IN OUT")
    };
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(from).unwrap()).unwrap();
    let answers: Vec<_> = cases.iter().map(answer).collect();
    fs::write(to, serde_json::to_vec(&answers).unwrap()).unwrap();
}

fn answer(case: &Value) -> Value {
    let text = |name: &str| case[name].as_str().unwrap();
    let secrets = Secrets::new(
        WebhookProvider::parse(text("provider")).unwrap(),
        [text("secret")],
    )
    .unwrap();
    let now = case["now"].as_i64().unwrap();
    let Some(headers) = case["headers"].as_object() else {
        let signing = Signing {
            now,
            message_id: "msg_of_ours",
            notification_url: None,
        };
        let message = sign(&secrets, Message::new(text("body")), &signing).unwrap();
        let headers: serde_json::Map<_, _> = message
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        return json!({"headers": headers, "body": String::from_utf8(message.body).unwrap()});
    };
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let request = Request {
        headers: &headers,
        body: text("body").as_bytes(),
        now,
        notification_url: None,
    };
    match verify(&secrets, &request) {
        Ok(_) => json!("accept"),
        Err(rejection) => json!(format!("reject:{}", rejection.as_str())),
    }
}
