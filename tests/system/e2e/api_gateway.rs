//! The events that API Gateway makes of requests, and the responses that it makes of results.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
//! and
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use data_encoding::BASE64;
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::api::ApiResponse;
use orderflow_http::{Function, find_route};

/// The kind of API in front of the functions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ApiKind {
    /// A REST API at its own address, with a named stage and every route of the template.
    Rest,
    /// The REST API at a custom domain, below a base path.
    RestAtDomain,
    /// An HTTP API with `$default` as its stage and as its only route.
    Http,
    /// The HTTP API with a named stage.
    HttpWithStage,
}

impl ApiKind {
    pub(crate) const ALL: [Self; 4] = [
        Self::Rest,
        Self::RestAtDomain,
        Self::Http,
        Self::HttpWithStage,
    ];

    /// Returns the base path before our paths.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Rest | Self::HttpWithStage => "/prod",
            Self::RestAtDomain => "/shop",
            Self::Http => "",
        }
    }
}

/// A client's request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    /// Whether the API encodes the body as base64.
    pub(crate) base64: bool,
}

impl Call {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            base64: false,
        }
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        let call = Self {
            method: Method::POST,
            body: Some(body.to_string()),
            ..Self::get(path)
        };
        call.header("Content-Type", "application/json")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn split(&self) -> (&str, &str) {
        self.path.split_once('?').unwrap_or((&self.path, ""))
    }

    /// Returns the function of the route; requests without a route go to `web`.
    pub(crate) fn function(&self) -> Function {
        serving(&self.method, self.split().0)
    }
}

fn serving(method: &Method, path: &str) -> Function {
    find_route(method, path).map_or(Function::FALLBACK, |(route, _)| route.operation.function())
}

/// Returns the function that serves an event of either kind.
pub(crate) fn function_of(event: &Value) -> Function {
    let method = event
        .get("httpMethod")
        .unwrap_or(&event["requestContext"]["http"]["method"]);
    let path = event.get("path").unwrap_or(&event["rawPath"]);
    serving(
        &method.as_str().unwrap().parse().unwrap(),
        path.as_str().unwrap(),
    )
}

pub(crate) fn gateway_event(kind: ApiKind, call: &Call) -> Value {
    let body = call.body.as_ref().map(|body| {
        if call.base64 {
            BASE64.encode(body.as_bytes())
        } else {
            body.clone()
        }
    });
    let (path, query) = call.split();
    match kind {
        ApiKind::Rest | ApiKind::RestAtDomain => rest(kind, call, path, query, body),
        ApiKind::Http | ApiKind::HttpWithStage => http(kind, call, path, query, body),
    }
}

fn rest(kind: ApiKind, call: &Call, path: &str, query: &str, body: Option<String>) -> Value {
    let found = find_route(&call.method, path).ok();
    let (mut single, mut multiple) = (Map::new(), Map::new());
    for (name, value) in call.headers.iter().cloned().chain([(
        "Host".to_owned(),
        "id.execute-api.eu-central-1.amazonaws.com".to_owned(),
    )]) {
        multiple.insert(name.clone(), json!([value]));
        single.insert(name, json!(value));
    }
    let (mut last, mut all) = (Map::new(), Map::<String, Value>::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        last.insert(name.to_string(), json!(value));
        all.entry(name)
            .or_insert_with(|| json!([]))
            .as_array_mut()
            .unwrap()
            .push(json!(value));
    }
    // API Gateway sends null for an empty map.
    let parameters = match &found {
        Some((route, value)) => value.as_ref().map(|value| {
            let (_, name) = route.pattern.split_once('{').unwrap();
            let (name, _) = name.split_once(['+', '}']).unwrap();
            json!({name: value})
        }),
        None => Some(json!({"proxy": path.trim_start_matches('/')})),
    };
    let whole = format!("{}{path}", kind.prefix());
    // A custom domain's base path stays in both paths.
    let path = if matches!(kind, ApiKind::RestAtDomain) {
        whole.clone()
    } else {
        path.to_owned()
    };
    let resource = found
        .as_ref()
        .map_or("/{proxy+}", |(route, _)| route.pattern);
    let filled = |map: Map<String, Value>| (!map.is_empty()).then_some(map);
    json!({
        "resource": resource,
        "path": path,
        "httpMethod": call.method.as_str(),
        "headers": single,
        "multiValueHeaders": multiple,
        "queryStringParameters": filled(last),
        "multiValueQueryStringParameters": filled(all),
        "pathParameters": parameters,
        "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012", "apiId": "id", "stage": "prod", "path": whole, "resourcePath": resource,
            "httpMethod": call.method.as_str(), "protocol": "HTTP/1.1", "requestId": "request",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": body,
        "isBase64Encoded": call.base64,
    })
}

fn http(kind: ApiKind, call: &Call, path: &str, query: &str, body: Option<String>) -> Value {
    let mut headers: Map<_, _> = call
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), json!(value)))
        .collect();
    headers.insert(
        "host".to_owned(),
        json!("id.execute-api.eu-central-1.amazonaws.com"),
    );
    let raw = format!("{}{path}", kind.prefix());
    let stage = if kind.prefix().is_empty() {
        "$default"
    } else {
        "prod"
    };
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "id", "routeKey": "$default", "stage": stage,
            "http": {"method": call.method.as_str(), "path": raw, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "request", "timeEpoch": 1_795_262_400_000_u64,
        },
        "isBase64Encoded": call.base64,
    });
    // An HTTP API omits empty members.
    if let Some(body) = body {
        event["body"] = json!(body);
    }
    event
}

/// Returns the HTTP response that either kind of API makes of a function's result.
pub(crate) fn parse_response(response: Value) -> ApiResponse {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &Value| {
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            value.as_str().unwrap().parse().unwrap(),
        );
    };
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        add(name, value);
    }
    for (name, values) in response["multiValueHeaders"]
        .as_object()
        .into_iter()
        .flatten()
    {
        values
            .as_array()
            .unwrap()
            .iter()
            .for_each(|value| add(name, value));
    }
    assert_eq!(
        response["isBase64Encoded"], false,
        "a REST API without binary media types would return the base64 text"
    );
    let text = response["body"].as_str().unwrap_or_default();
    let status =
        StatusCode::from_u16(response["statusCode"].as_u64().unwrap().try_into().unwrap()).unwrap();
    ApiResponse {
        status,
        headers,
        body: serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}
