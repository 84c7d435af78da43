//! The HTTP API from a client's point of view.

use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};

use crate::harness::Harness;

/// A complete HTTP response.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl ApiResponse {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Asserts that an order was started and returns its id.
    #[track_caller]
    pub(crate) fn expect_started(self) -> String {
        assert_eq!(self.status, 202, "{:?}", self.body);
        let order_id = self.body["order_id"].as_str().unwrap().to_owned();
        // A stage can precede the path.
        assert!(
            self.header("location")
                .ends_with(&format!("/orders/{order_id}")),
            "{:?}",
            self.headers
        );
        order_id
    }

    #[track_caller]
    pub(crate) fn expect_status(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self.body
    }

    /// Asserts that the response is a problem document (RFC 9457) with all required fields.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{:?}",
            self.body
        );
        assert_eq!(self.body["code"], code, "{:?}", self.body);
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "detail", "instance"] {
            assert!(
                self.body[field]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{field} of {:?}",
                self.body
            );
        }
        self.body
    }
}

impl Harness {
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> ApiResponse {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        ApiResponse {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> ApiResponse {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> ApiResponse {
        self.post_with_headers(path, body, &[]).await
    }

    /// Sends a POST request and repeats it after a 503 response, as the API contract requires.
    pub(crate) async fn post_with_headers(
        &self,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> ApiResponse {
        let send = async || self.post_without_retry(path, &body, headers).await;
        self.wait_until("a response other than 503", send, |response| {
            response.status != 503
        })
        .await
    }

    pub(crate) async fn post_without_retry(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> ApiResponse {
        let headers: Vec<_> = [(CONTENT_TYPE.as_str(), "application/json")]
            .into_iter()
            .chain(headers.iter().copied())
            .collect();
        self.send(Method::POST, path, &headers, Some(body.to_string()))
            .await
    }
}

/// Returns a small order without a payment id.
pub(crate) fn sample_order() -> Value {
    json!({
        "customer": {"id": "CUST-001", "name": "John Doe", "email": "john@example.com"},
        "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
        "currency": "USD",
        "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
    })
}

/// Returns the same order with a payment id. An id pays one order only.
pub(crate) fn order_with_payment(payment_id: &str) -> Value {
    let mut order = sample_order();
    order["payment"] = json!({"payment_id": payment_id});
    order
}
