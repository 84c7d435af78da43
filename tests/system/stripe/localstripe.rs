//! localstripe: a process that implements Stripe's API with its own records.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::{search::Search, tools};
use crate::shared_servers::shared_servers;
use devstack::{Process, Readiness, guard::GuardOptions, ports};

/// localstripe accepts any key of this format.
pub(crate) const API_KEY: &str = "sk_test_thekeythatnobodymaysee";

pub(crate) struct Localstripe {
    pub(crate) url: String,
    http: Client,
    search: Search,
    _process: Process,
    folder: tempfile::TempDir,
}

impl Localstripe {
    /// Starts it without records on a free port; returns `None` if Python is missing.
    pub(crate) async fn start() -> Option<Self> {
        let python = tools::install_localstripe().await?;
        // This also installs the TLS provider that an HTTP client needs.
        shared_servers().await;
        let folder = tempfile::tempdir().unwrap();
        let port = ports::free_port().unwrap();
        let command = [
            python.to_str().unwrap(),
            "-m",
            "localstripe",
            "--from-scratch",
            "--port",
            &port.to_string(),
        ];
        let options = GuardOptions {
            name: "localstripe".to_owned(),
            command: command.map(Into::into).to_vec(),
            environment: vec![("PYTHONUNBUFFERED".to_owned(), "1".to_owned())],
            removed_environment: Vec::new(),
            log: folder.path().join("log"),
            user: None,
            stop_signal: "TERM",
            grace_period: Duration::from_secs(2),
            remove_folder: None,
        };
        // This is the only page that needs no key.
        let ready = Readiness::Http {
            address: format!("127.0.0.1:{port}"),
            path: "/js.stripe.com/v3/".to_owned(),
        };
        let process = Process::start(options, ready, Duration::from_secs(60))
            .await
            .unwrap();
        let search = Search::start(&format!("http://127.0.0.1:{port}")).await;
        Some(Self {
            url: search.url.clone(),
            http: Client::new(),
            search,
            _process: process,
            folder,
        })
    }

    /// Registers a webhook: these events are sent to `url`, signed with `secret`.
    pub(crate) async fn register_webhook(&self, url: &str, secret: &str, events: &[&str]) {
        let mut fields = vec![("url", url), ("secret", secret)];
        fields.extend(events.iter().map(|event| ("events[]", *event)));
        let request = form_request(
            self.http
                .post(format!("{}/_config/webhooks/orders", self.url)),
            &fields,
        );
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// Returns every PaymentIntent.
    pub(crate) async fn list_intents(&self) -> Vec<Value> {
        self.get("/v1/payment_intents?limit=100").await["data"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Returns every refund.
    pub(crate) async fn list_refunds(&self) -> Vec<Value> {
        self.get("/v1/refunds?limit=100").await["data"]
            .as_array()
            .unwrap()
            .clone()
    }

    pub(crate) async fn get_charge(&self, id: &str) -> Value {
        self.get(&format!("/v1/charges/{id}")).await
    }

    /// Returns its log, for example the responses to its webhooks.
    pub(crate) fn read_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Creates a payment method with this card number; docs.stripe.com/testing describes the test
    /// cards.
    pub(crate) async fn create_card(&self, number: &str) -> String {
        let fields = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2040"),
            ("card[cvc]", "123"),
        ];
        self.post("/v1/payment_methods", &fields).await["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Creates a paid intent for this order and returns its id.
    pub(crate) async fn create_paid_intent(
        &self,
        units: u32,
        currency: &str,
        order_id: &str,
    ) -> String {
        let fields = [
            ("amount", units.to_string()),
            ("currency", currency.to_owned()),
            ("payment_method", self.create_card("4242424242424242").await),
            ("confirm", "true".to_owned()),
            ("metadata[order_id]", order_id.to_owned()),
        ];
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let intent = self.post("/v1/payment_intents", &fields).await;
        assert_eq!(intent["status"], "succeeded", "{intent}");
        intent["id"].as_str().unwrap().to_owned()
    }

    /// Refunds a part of the intent.
    pub(crate) async fn refund(&self, intent: &str, units: u32) {
        let units = units.to_string();
        let fields = [("payment_intent", intent), ("amount", units.as_str())];
        let refund = self.post("/v1/refunds", &fields).await;
        assert_eq!(refund["status"], "succeeded", "{refund}");
    }

    /// Lets the list of intents since a time show all intents as one hour older.
    pub(crate) fn age_intents(&self) {
        self.search.age.store(3_600, Ordering::SeqCst);
    }

    /// Authenticates the payment, as the customer does on the bank's page.
    pub(crate) async fn authenticate(&self, intent: &Value) {
        let path = format!(
            "/v1/payment_intents/{}/_authenticate",
            intent["id"].as_str().unwrap()
        );
        let secret = intent["client_secret"].as_str().unwrap();
        self.post(&path, &[("client_secret", secret), ("success", "true")])
            .await;
    }

    async fn get(&self, path: &str) -> Value {
        let response = self
            .http
            .get(format!("{}{path}", self.url))
            .bearer_auth(API_KEY)
            .send()
            .await
            .unwrap();
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        response.json().await.unwrap()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let request = form_request(
            self.http
                .post(format!("{}{path}", self.url))
                .bearer_auth(API_KEY),
            fields,
        );
        let response = request.send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        response.json().await.unwrap()
    }
}

fn form_request(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}
