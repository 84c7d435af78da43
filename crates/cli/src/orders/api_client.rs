//! The HTTP API as a client sees it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{
    Client, Method, RequestBuilder, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK},
};
use serde_json::Value;
use tokio::time::sleep;

use crate::target;
use contract::parse_order_workflow_id;
use domain::WebhookProvider;

/// The API itself answers within 22 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a watcher bears with an API that is there and cannot answer.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(1);

/// Where it is, and how to call it.
#[derive(Debug)]
pub(crate) struct ApiClient {
    client: Client,
    base: Url,
    /// How long to go on with what the API cannot take now (503).
    patience: Duration,
}

/// What the caller has of credentials: `ORDERFLOW_API_KEY`, `ORDERFLOW_TOKEN`. Never printed.
fn credentials() -> Result<HeaderMap> {
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

/// A good answer, as it was sent and as JSON.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) text: String,
    pub(crate) body: Value,
    /// The next page of a list, as the `Link` header names it, from where the API is.
    pub(crate) next: Option<String>,
}

impl ApiResponse {
    /// A text of the answer, by the path to it; empty when there is none.
    pub(crate) fn text_at(&self, pointer: &str) -> &str {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn is_true(&self, pointer: &str) -> bool {
        self.body.pointer(pointer) == Some(&Value::Bool(true))
    }
}

impl ApiClient {
    pub(crate) fn from_env() -> Result<Self> {
        Self::from_url(&target::api_url())
    }

    /// At this URL, or where the others are.
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
        // Several crates bring rustls along and none chooses its cryptography; a second choice is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .default_headers(credentials()?)
            .build()
            .context("failed to set up HTTP")?;
        Ok(Self {
            client,
            base,
            patience: Duration::ZERO,
        })
    }

    /// For what takes a while anyway: a moment without an answer is no end of it.
    pub(crate) fn with_retries(self) -> Self {
        Self {
            patience: PATIENCE,
            ..self
        }
    }

    /// Starts an order with a body of `POST /orders`.
    pub(crate) async fn create_order(&self, body: &Value) -> Result<ApiResponse> {
        self.send(Method::POST, &["orders"], Some(body)).await
    }

    pub(crate) async fn check_health(&self) -> Result<()> {
        self.send(Method::GET, &["health"], None).await.map(drop)
    }

    /// Calls `/orders/{id}/…`. People paste workflow ids too; since `order-1` may be either, it is an
    /// order's id first.
    pub(crate) async fn call_order(
        &self,
        method: Method,
        id: &str,
        rest: &[&str],
        body: Option<&Value>,
    ) -> Result<ApiResponse> {
        let at = |id: &str| -> Vec<String> {
            ["orders", id]
                .into_iter()
                .chain(rest.iter().copied())
                .map(str::to_owned)
                .collect()
        };
        let first = self.try_send(method.clone(), &at(id), body).await?;
        match (first, parse_order_workflow_id(id)) {
            (Err(problem), Some(order_id)) if problem.code == "order_not_found" => {
                let second = self.try_send(method, &at(order_id.as_str()), body).await?;
                // What a known order refuses is the answer; where neither is known, what was typed is what is not there.
                Ok(second.map_err(|refused| {
                    if refused.code == problem.code {
                        problem
                    } else {
                        refused
                    }
                })?)
            }
            (answer, _) => Ok(answer?),
        }
    }

    /// A path with its query, such as a page of a list.
    pub(crate) async fn get_path(&self, path: &str) -> Result<ApiResponse> {
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        self.send(Method::GET, &parts, None).await
    }

    /// A notification as a payment provider sends it: no credentials but its signature. The status and the body of the
    /// answer, whichever they are.
    pub(crate) async fn send_webhook(
        &self,
        provider: WebhookProvider,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<(u16, String)> {
        let mut url = self.base.clone();
        let mut path = url
            .path_segments_mut()
            .map_err(|()| anyhow!("the URL has no path"))?;
        path.pop_if_empty().extend(["webhooks", provider.as_str()]);
        drop(path);
        let stranger = Client::builder()
            .timeout(TIMEOUT)
            .build()
            .context("failed to set up HTTP")?;
        let mut request = stranger
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        Ok((
            status,
            answer
                .text()
                .await
                .map_err(|error| self.unreachable(&error))?,
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
        self.exchange(method, path, body.map(Value::to_string), None)
            .await
    }

    /// A call that may well be refused, with any body and an `Idempotency-Key`.
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

    /// Sends what may be sent twice again while the API says that it cannot take it now, for as long as patience lasts.
    async fn exchange(
        &self,
        method: Method,
        path: &[String],
        body: Option<String>,
        key: Option<&str>,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        let began = Instant::now();
        // All that is asked of an order by its id changes it once; a new order without a key would be another one.
        let may_repeat = method == Method::GET || key.is_some() || path.len() > 1;
        let request = self.request(method, path, body, key)?;
        loop {
            let again = request
                .try_clone()
                .context("only a body that is no text could not be sent again")?;
            let answer = self.answer(again).await?;
            let is_later = matches!(&answer, Err(problem) if problem.status == 503);
            if !is_later || !may_repeat || began.elapsed() > self.patience {
                return Ok(answer);
            }
            sleep(AGAIN).await;
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
        let (last, rest) = path.split_last().context("a path has a part")?;
        let (last, query) = last.split_once('?').unwrap_or((last, ""));
        url.path_segments_mut()
            .map_err(|()| anyhow!("the URL has no path"))?
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

    async fn answer(
        &self,
        request: RequestBuilder,
    ) -> Result<std::result::Result<ApiResponse, Problem>> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let (status, next) = (
            response.status(),
            next_page(response.headers(), self.base.path()),
        );
        let text = response
            .text()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(Ok(ApiResponse {
                text: text.trim_end().to_owned(),
                body,
                next,
            }));
        }
        Ok(Err(Problem::read(status, &body)))
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let why = if error.is_timeout() {
            "does not answer"
        } else {
            "cannot be reached"
        };
        anyhow!(
            "the API at {} {why}: start it with `orderflow up`, or set ORDERFLOW_URL",
            self.base
        )
    }
}

/// `<…>; rel="next"`, without what stands around it, and without the path that the API itself is at.
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

/// An answer that is none, in one line.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    /// The fields that it names, by their pointers.
    pub(crate) fields: Vec<String>,
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

/// A member of one of the errors that a problem lists.
fn part<'a>(error: &'a Value, name: &str) -> &'a str {
    error.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Problem {
    /// The code of a problem document, or nothing.
    pub(crate) fn parse_code(body: &str) -> String {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        part(&body, "code").to_owned()
    }

    fn read(status: StatusCode, body: &Value) -> Self {
        let member = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (code, title, detail) = (member("code"), member("title"), member("detail"));
        if code.is_empty() {
            let text = format!("the API answered {status}; is ORDERFLOW_URL an orderflow API?");
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
            .map(|error| part(error, "pointer").to_owned())
            .collect();
        let bad_fields =
            errors().map(|error| format!(" {} {};", part(error, "pointer"), part(error, "detail")));
        let bad_fields: String = bad_fields.collect();
        let order = member("order_status");
        let order = if detail.contains(&order) {
            String::new()
        } else {
            format!(" The order is {order}.")
        };
        let next = next_step(&code, order_of(&member("instance")));
        // Where title and detail say the same, once.
        let said = if code == "order_exists" {
            detail
        } else {
            format!("{title}: {detail}")
        };
        let text = format!(
            "{said}{}{order}{next} ({code})",
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

/// The order's id in the path of a call, as it stands there. Before it there may be a stage.
fn order_of(path: &str) -> &str {
    path.rsplit_once("/orders/")
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .unwrap_or("ID")
}

/// What to do about a problem, as far as a command helps.
fn next_step(code: &str, id: &str) -> String {
    match code {
        "worker_unavailable" => " Look at `orderflow check`.".to_owned(),
        "temporal_unavailable" | "database_unavailable" => {
            " Look at `orderflow check` and `orderflow ps`.".to_owned()
        }
        "unauthenticated" => " Set ORDERFLOW_API_KEY or ORDERFLOW_TOKEN.".to_owned(),
        "order_not_found" => " `orderflow list` shows the newest ones.".to_owned(),
        "order_exists" => {
            format!(" Choose another id; `orderflow show {id}` shows the order that has this one.")
        }
        "order_closed"
        | "already_shipped"
        | "not_in_review"
        | "not_shipped"
        | "not_paid"
        | "already_paid"
        | "payment_not_expected" => format!(" Look at `orderflow show {id}`."),
        "payment_id_in_use" => " Name another one: each pays one order.".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_tells_is_followed_from_where_the_api_is() {
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
        // Of an API that does not say what stands in front of it.
        assert_eq!(
            next("</orders?cursor=a>; rel=\"next\"", "/prod"),
            "/orders?cursor=a"
        );
        assert_eq!(next("</orders?cursor=a>; rel=\"prev\"", "/"), "");
        assert_eq!(
            (
                order_of("/orders/o-1/status"),
                order_of("/prod/orders/o-1?limit=1")
            ),
            ("o-1", "o-1")
        );
        assert_eq!(order_of("/prod/orders"), "ID");
    }
}
