//! The events that API Gateway makes of a call, and the call's answer.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html> and
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::api::ApiResponse;
use orderflow_http::{Function, find_route};

/// Which kind of API stands in front of the functions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ApiKind {
    /// A REST API at its own address, with a named stage, and every route of the template.
    Rest,
    /// The same at a domain of ours, under a base path.
    RestAtDomain,
    /// An HTTP API with `$default` as stage and as its one route.
    Http,
    /// The same with a named stage.
    HttpWithStage,
}

impl ApiKind {
    pub(crate) const ALL: [Self; 4] = [
        Self::Rest,
        Self::RestAtDomain,
        Self::Http,
        Self::HttpWithStage,
    ];

    /// What the caller sees before our paths.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Rest | Self::HttpWithStage => "/prod",
            Self::RestAtDomain => "/shop",
            Self::Http => "",
        }
    }
}

/// What a caller sends.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    /// Whether the API takes the body for binary data.
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

    /// Who serves it; what no route serves goes to `web`.
    pub(crate) fn function(&self) -> Function {
        serving(&self.method, self.split().0)
    }
}

fn serving(method: &Method, path: &str) -> Function {
    find_route(method, path).map_or(Function::FALLBACK, |(route, _)| route.operation.function())
}

/// Who serves an event of either shape.
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

pub(crate) fn gateway_event(shape: ApiKind, call: &Call) -> Value {
    let body = call.body.as_ref().map(|body| {
        if call.base64 {
            STANDARD.encode(body)
        } else {
            body.clone()
        }
    });
    let (path, query) = call.split();
    match shape {
        ApiKind::Rest | ApiKind::RestAtDomain => rest(shape, call, path, query, body),
        ApiKind::Http | ApiKind::HttpWithStage => http(shape, call, path, query, body),
    }
}

fn rest(shape: ApiKind, call: &Call, path: &str, query: &str, body: Option<String>) -> Value {
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
    // An empty one is null.
    let parameters = match &found {
        Some((route, value)) => value.as_ref().map(|value| {
            let (_, name) = route.pattern.split_once('{').unwrap();
            let (name, _) = name.split_once(['+', '}']).unwrap();
            json!({name: value})
        }),
        None => Some(json!({"proxy": path.trim_start_matches('/')})),
    };
    let whole = format!("{}{path}", shape.prefix());
    // A domain's base path stays in both.
    let path = if matches!(shape, ApiKind::RestAtDomain) {
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

fn http(shape: ApiKind, call: &Call, path: &str, query: &str, body: Option<String>) -> Value {
    let mut headers: Map<_, _> = call
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), json!(value)))
        .collect();
    headers.insert(
        "host".to_owned(),
        json!("id.execute-api.eu-central-1.amazonaws.com"),
    );
    let raw = format!("{}{path}", shape.prefix());
    let stage = if shape.prefix().is_empty() {
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
    // What is not there is left out.
    if let Some(body) = body {
        event["body"] = json!(body);
    }
    event
}

/// The answer, as either kind of API reads it.
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
        "a REST API without binary media types would show it as it is"
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
