//! A client of the HTTP API.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{
    Client, Method, RequestBuilder, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK},
};
use serde_json::Value;
use tokio::time::sleep;

use crate::target;
use contract::parse_order_workflow_id;
use domain::WebhookProvider;

/// Timeout of one call; the API answers within 22 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Duration for which a waiting command repeats a call that the API answers with 503.
const RETRY_FOR: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A client of the HTTP API at one URL.
#[derive(Debug)]
pub(crate) struct ApiClient {
    client: Client,
    base: Url,
    /// Duration for which a call is repeated that the API answers with 503.
    retry_for: Duration,
    /// The `Idempotency-Key` of its calls.
    key: Option<String>,
}

/// Reads the credentials `ORDERFLOW_API_KEY` and `ORDERFLOW_TOKEN` into headers, which are never
/// printed.
fn read_credentials() -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let known = [
        (
            &settings::ORDERFLOW_API_KEY,
            HeaderName::from_static("x-api-key"),
            "",
        ),
        (&settings::ORDERFLOW_TOKEN, AUTHORIZATION, "Bearer "),
    ];
    for (setting, header, scheme) in known {
        let Some(secret) = settings::read(setting) else {
            continue;
        };
        let mut value = HeaderValue::from_str(&format!("{scheme}{secret}"))
            .map_err(|_| setting.reject(&secret, "not valid in an HTTP header"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// A successful response, as text and as JSON.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) text: String,
    pub(crate) body: Value,
    /// The path of a list's next page, from the `Link` header, relative to the API's URL.
    pub(crate) next: Option<String>,
}

impl ApiResponse {
    /// Returns the text at a JSON pointer, or an empty text.
    pub(crate) fn text_at(&self, pointer: &str) -> &str {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns whether the value at a JSON pointer is `true`.
    pub(crate) fn is_true(&self, pointer: &str) -> bool {
        self.body.pointer(pointer) == Some(&Value::Bool(true))
    }
}

impl ApiClient {
    /// Creates a client for `ORDERFLOW_URL`, the running stack or the default URL.
    pub(crate) fn from_env() -> Result<Self> {
        Self::from_url(&target::api_url())
    }

    /// Creates a client for the given URL, or as [`Self::from_env`] does.
    pub(crate) fn from_url_or_env(url: Option<&str>) -> Result<Self> {
        url.map_or_else(Self::from_env, Self::from_url)
    }

    pub(crate) fn from_url(url: &str) -> Result<Self> {
        let base: Url = url
            .parse()
            .map_err(|error| settings::ORDERFLOW_URL.reject(url, format!("not a URL: {error}")))?;
        if base.cannot_be_a_base() {
            bail!(settings::ORDERFLOW_URL.reject(url, "not the URL of an API"));
        }
        // Several dependencies use rustls and none sets its cryptography. The error of a second
        // call is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .default_headers(read_credentials()?)
            .build()
            .context("failed to set up the HTTP client")?;
        Ok(Self {
            client,
            base,
            retry_for: Duration::ZERO,
            key: None,
        })
    }

    /// Repeats calls that the API answers with 503, for commands that wait for an order.
    pub(crate) fn with_retries(self) -> Self {
        Self {
            retry_for: RETRY_FOR,
            ..self
        }
    }

    /// Starts an order with a body of `POST /orders`.
    pub(crate) async fn create_order(&self, body: &Value) -> Result<ApiResponse> {
        self.send(Method::POST, &["orders"], Some(body)).await
    }

    /// Returns a client whose calls have this `Idempotency-Key`.
    pub(crate) fn with_key(self, key: String) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// Checks that the API is available.
    pub(crate) async fn check_health(&self) -> Result<()> {
        self.send(Method::GET, &["health"], None).await.map(drop)
    }

    /// Calls `/orders/{id}/…`, where `id` is an order id or a workflow id. An id such as `order-1`
    /// can be either, so it is tried as an order id first.
    pub(crate) async fn call_order(
        &self,
        method: Method,
        id: &str,
        rest: &[&str],
        body: Option<&Value>,
    ) -> Result<ApiResponse> {
        let path_of = |id: &str| -> Vec<String> {
            ["orders", id]
                .into_iter()
                .chain(rest.iter().copied())
                .map(str::to_owned)
                .collect()
        };
        let first = self.try_send(method.clone(), &path_of(id), body).await?;
        match (first, parse_order_workflow_id(id)) {
            (Err(problem), Some(order_id)) if problem.code == "order_not_found" => {
                let second = self
                    .try_send(method, &path_of(order_id.as_str()), body)
                    .await?;
                // If both ids are unknown, the error names the id that was typed.
                Ok(second.map_err(|other| {
                    if other.code == problem.code {
                        problem
                    } else {
                        other
                    }
                })?)
            }
            (response, _) => Ok(response?),
        }
    }

    /// Calls `GET` for a path with its query, such as a page of a list.
    pub(crate) async fn get_path(&self, path: &str) -> Result<ApiResponse> {
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        self.send(Method::GET, &parts, None).await
    }

    /// Calls `GET` for a path with its query, and asks for a table.
    pub(crate) async fn get_csv(&self, path: &str) -> Result<ApiResponse> {
        let path: Vec<_> = path.split('/').map(str::to_owned).collect();
        let request = self.request(Method::GET, &path, None, None)?;
        let request = request.header(ACCEPT, "text/csv");
        Ok(self.execute_patiently(&request, true).await??)
    }

    /// Sends a webhook event without our credentials, as a payment provider does. Returns the
    /// response's status and body, also for an error status.
    pub(crate) async fn send_webhook(
        &self,
        provider: WebhookProvider,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<(u16, String)> {
        let mut url = self.base.clone();
        let mut path = url
            .path_segments_mut()
            .map_err(|()| anyhow!("the API's URL cannot have a path"))?;
        path.pop_if_empty().extend(["webhooks", provider.as_str()]);
        drop(path);
        let client = Client::builder()
            .timeout(TIMEOUT)
            .build()
            .context("failed to set up the HTTP client")?;
        let mut request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.connection_error(&error))?;
        let status = response.status().as_u16();
        Ok((
            status,
            response
                .text()
                .await
                .map_err(|error| self.connection_error(&error))?,
        ))
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<ApiResponse> {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        Ok(self.try_send(method, &path, body).await??)
    }

    async fn try_send(
        &self,
        method: Method,
        path: &[String],
        body: Option<&Value>,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        let key = self.key.as_deref();
        self.exchange(method, path, body.map(Value::to_string), key)
            .await
    }

    /// Makes a call with any body and an `Idempotency-Key`. Returns the API's problem instead of an
    /// error.
    pub(crate) async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<&str>,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        let path: Vec<_> = path
            .trim_start_matches('/')
            .split('/')
            .map(str::to_owned)
            .collect();
        self.exchange(method, &path, body, key).await
    }

    /// Makes a call, and repeats it while the API answers 503 if a repeated call has no second
    /// effect.
    async fn exchange(
        &self,
        method: Method,
        path: &[String],
        body: Option<String>,
        key: Option<&str>,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        // A repeated call with an order id or a key has no second effect. `POST /orders` without a
        // key would start a second order.
        let can_repeat = method == Method::GET || key.is_some() || path.len() > 1;
        let request = self.request(method, path, body, key)?;
        self.execute_patiently(&request, can_repeat).await
    }

    /// Sends a request, and repeats it while the API answers 503 if it can be repeated.
    async fn execute_patiently(
        &self,
        request: &RequestBuilder,
        can_repeat: bool,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        let began = Instant::now();
        loop {
            let attempt = request
                .try_clone()
                .context("a request with a text body can be cloned")?;
            let result = self.execute(attempt).await?;
            let is_unavailable = matches!(&result, Err(problem) if problem.status == 503);
            if !is_unavailable || !can_repeat || began.elapsed() > self.retry_for {
                return Ok(result);
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    fn request(
        &self,
        method: Method,
        path: &[String],
        body: Option<String>,
        key: Option<&str>,
    ) -> Result<RequestBuilder> {
        let mut url = self.base.clone();
        let (last, rest) = path
            .split_last()
            .context("a path has at least one segment")?;
        let (last, query) = last.split_once('?').unwrap_or((last, ""));
        url.path_segments_mut()
            .map_err(|()| anyhow!("the API's URL cannot have a path"))?
            .pop_if_empty()
            .extend(rest)
            .push(last);
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        let request = self.client.request(method, url);
        let request = if let Some(body) = body {
            request.header(CONTENT_TYPE, "application/json").body(body)
        } else {
            request
        };
        Ok(if let Some(key) = key {
            request.header("idempotency-key", key)
        } else {
            request
        })
    }

    async fn execute(
        &self,
        request: RequestBuilder,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        let response = request
            .send()
            .await
            .map_err(|error| self.connection_error(&error))?;
        let (status, next) = (
            response.status(),
            next_page(response.headers(), self.base.path()),
        );
        let text = response
            .text()
            .await
            .map_err(|error| self.connection_error(&error))?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(Ok(ApiResponse {
                text: text.trim_end().to_owned(),
                body,
                next,
            }));
        }
        Ok(Err(Problem::from_response(status, &body)))
    }

    fn connection_error(&self, error: &reqwest::Error) -> anyhow::Error {
        let why = if error.is_timeout() {
            "no response within 30 s"
        } else {
            "connection failed"
        };
        anyhow!(
            "API at {}: {why}; start the stack with `orderflow up`, or set ORDERFLOW_URL",
            self.base
        )
    }
}

/// Returns the target of a `Link` header with `rel="next"`, without the path of the API's own URL.
fn next_page(headers: &HeaderMap, base: &str) -> Option<String> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let target = link
        .strip_prefix('<')?
        .split_once('>')
        .filter(|(_, rest)| rest.contains("rel=\"next\""))?
        .0;
    let below = target
        .strip_prefix(base.trim_end_matches('/'))
        .filter(|rest| rest.starts_with('/'));
    Some(below.unwrap_or(target).to_owned())
}

/// An error response of the API, formatted as one line.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    /// JSON pointers of the fields that the problem names.
    pub(crate) fields: Vec<String>,
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

/// Returns a text member of an object, or an empty text.
fn text_member<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Problem {
    /// Returns the code of a problem document, or an empty text.
    pub(crate) fn parse_code(body: &str) -> String {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        text_member(&body, "code").to_owned()
    }

    fn from_response(status: StatusCode, body: &Value) -> Self {
        let member = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (code, title, detail) = (member("code"), member("title"), member("detail"));
        if code.is_empty() {
            let text = format!(
                "the API answered {status} without an error code; set ORDERFLOW_URL to the URL of an orderflow API"
            );
            return Self {
                status: status.as_u16(),
                code,
                fields: Vec::new(),
                text,
            };
        }
        let errors = || {
            body.get("errors")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let fields = errors()
            .map(|error| text_member(error, "pointer").to_owned())
            .collect();
        let bad_fields = errors().map(|error| {
            format!(
                " {} {};",
                text_member(error, "pointer"),
                text_member(error, "detail")
            )
        });
        let bad_fields: String = bad_fields.collect();
        let order = member("order_status");
        let order = if detail.contains(&order) {
            String::new()
        } else {
            format!(" The order is {order}.")
        };
        let next = next_step(&code, &member("instance"));
        // The title and the detail of this code are the same sentence.
        let summary = if code == "order_exists" {
            detail
        } else {
            format!("{title}: {detail}")
        };
        let text = format!(
            "{summary}{}{order}{next} ({code})",
            bad_fields.trim_end_matches(';')
        );
        Self {
            status: status.as_u16(),
            code,
            fields,
            text,
        }
    }
}

/// Returns the order id in the path of a call, which may begin with an API Gateway stage.
fn order_id_in(path: &str) -> &str {
    segment_after(path, "/orders/")
}

fn endpoint_id_in(path: &str) -> &str {
    segment_after(path, "/webhook-endpoints/")
}

fn segment_after<'a>(path: &'a str, collection: &str) -> &'a str {
    path.rsplit_once(collection)
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .unwrap_or("ID")
}

/// Returns the next step for a problem of a call to `path` that a command can help with.
fn next_step(code: &str, path: &str) -> String {
    let id = order_id_in(path);
    match code {
        "worker_unavailable" => " Run `orderflow check`.".to_owned(),
        "temporal_unavailable" | "database_unavailable" => {
            " Run `orderflow check` and `orderflow ps`.".to_owned()
        }
        "unauthenticated" => " Set ORDERFLOW_API_KEY or ORDERFLOW_TOKEN.".to_owned(),
        "order_not_found" => " List the newest orders with `orderflow list`.".to_owned(),
        "order_exists" => {
            format!(" Choose another id, or see the existing order with `orderflow show {id}`.")
        }
        "order_closed"
        | "already_shipped"
        | "not_in_review"
        | "not_shipped"
        | "not_paid"
        | "already_paid"
        | "payment_refunded"
        | "transaction_mismatch"
        | "payment_in_progress"
        | "items_not_changeable"
        | "increase_not_allowed"
        | "refund_exceeds_payment"
        | "refund_exceeds_items"
        | "not_delivered"
        | "return_exceeds_items"
        | "payment_not_expected" => format!(" See the order with `orderflow show {id}`."),
        "payment_id_in_use" => {
            " Use another payment id: each one pays for one order only.".to_owned()
        }
        "return_not_found" | "return_state_conflict" => {
            format!(" See the returns with `orderflow return {id} list`.")
        }
        "insufficient_stock" => " See the stock with `orderflow stock list`.".to_owned(),
        "endpoint_not_found" | "endpoint_limit" | "endpoint_fixed" => {
            " See the endpoints with `orderflow endpoints list`.".to_owned()
        }
        "endpoint_disabled" => {
            format!(
                " Run `orderflow endpoints enable {}`.",
                endpoint_id_in(path)
            )
        }
        "delivery_not_found" => format!(
            " See the messages with `orderflow endpoints deliveries {}`.",
            endpoint_id_in(path)
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_page_is_relative_to_the_api_url() {
        let next = |link: &'static str, base| {
            next_page(
                &HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]),
                base,
            )
            .unwrap_or_default()
        };
        assert_eq!(
            next("</orders?cursor=a>; rel=\"next\"", "/"),
            "/orders?cursor=a"
        );
        assert_eq!(
            next("</prod/orders?cursor=a>; rel=\"next\"", "/prod"),
            "/orders?cursor=a"
        );
        assert_eq!(
            next("</prod/orders?cursor=a>; rel=\"next\"", "/prod/"),
            "/orders?cursor=a"
        );
        // An API that does not know its stage links without it.
        assert_eq!(
            next("</orders?cursor=a>; rel=\"next\"", "/prod"),
            "/orders?cursor=a"
        );
        assert_eq!(next("</orders?cursor=a>; rel=\"prev\"", "/"), "");
        assert_eq!(
            (
                order_id_in("/orders/o-1/status"),
                order_id_in("/prod/orders/o-1?limit=1")
            ),
            ("o-1", "o-1")
        );
        assert_eq!(order_id_in("/prod/orders"), "ID");
        assert_eq!(
            endpoint_id_in("/prod/webhook-endpoints/ep_1/deliveries/2/redeliver"),
            "ep_1"
        );
    }
}
