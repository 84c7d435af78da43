//! Success responses, and the headers of all responses.

use serde_json::{Map, Value, json};

/// Returns the headers that several responses share.
pub(crate) fn headers() -> Map<String, Value> {
    let text = |description: &str, required: bool, example: &str| json!({"description": description, "required": required, "schema": {"type": "string"}, "example": example});
    let headers = [
        (
            "RequestId",
            text(
                "The id of this call in the logs, which the gateway generates.",
                true,
                "6f1f0cbd-6f0e-4ad2-8f52-2c9c0b5d4a11",
            ),
        ),
        (
            "ServerTiming",
            text(
                "The time that each part of the call took, in milliseconds.",
                true,
                "temporal;dur=12.4, total;dur=13.1",
            ),
        ),
        (
            "WwwAuthenticate",
            text(
                "The accepted authentication scheme.",
                false,
                "ApiKey realm=\"orderflow\"",
            ),
        ),
        (
            "Location",
            text(
                "The path of the order.",
                true,
                "/orders/ORD-20261121-120000-AB12",
            ),
        ),
        (
            "ResourceLocation",
            text("The path of the new resource.", true, "/stock/ABC123"),
        ),
        (
            "Link",
            text(
                "The URL of the next page, if it exists (RFC 8288).",
                false,
                "</orders?cursor=MXxPUkQtMQ>; rel=\"next\"",
            ),
        ),
        (
            "Allow",
            text("The methods that the path accepts.", true, "GET, POST"),
        ),
        (
            "ETag",
            text(
                "The version of the response, for `If-None-Match`.",
                true,
                "W/\"7\"",
            ),
        ),
        (
            "OptionalETag",
            text(
                "The version of the order after the request, for `If-Match`.",
                false,
                "W/\"7\"",
            ),
        ),
        (
            "PreferenceApplied",
            text(
                "The accepted `wait` preference, in seconds.",
                false,
                "wait=1",
            ),
        ),
        (
            "CacheControl",
            text("The caching rule (RFC 9111).", true, "no-cache"),
        ),
        (
            "RetryAfter",
            json!({
                "description": "The number of seconds to wait before the next attempt.", "required": true,
                "schema": {"type": "string", "pattern": "^[0-9]+$"}, "example": "5",
            }),
        ),
    ];
    headers
        .into_iter()
        .map(|(name, header)| (name.to_owned(), header))
        .collect()
}

/// Returns the response of one status code, with these headers and those of every response.
pub(crate) fn response(description: &str, with: &[(&str, &str)], content: Option<Value>) -> Value {
    let of_all = [
        ("x-request-id", "RequestId"),
        ("server-timing", "ServerTiming"),
    ];
    let names = of_all.into_iter().chain(with.iter().copied());
    let header = |(name, component): (&str, &str)| {
        (
            name.to_owned(),
            json!({"$ref": format!("#/components/headers/{component}")}),
        )
    };
    let headers: Map<String, Value> = names.map(header).collect();
    let mut response = json!({"description": description, "headers": headers});
    if let Some(content) = content {
        response["content"] = content;
    }
    response
}

/// Returns JSON content of one schema, with an example.
pub(crate) fn json_content(schema: &Value, example: &Value) -> Option<Value> {
    Some(json!({"application/json": {"schema": schema, "example": example}}))
}

/// Adds a table in CSV to the media types of a response.
pub(crate) fn with_table(content: Option<Value>) -> Option<Value> {
    let mut content = content?;
    content["text/csv"] = json!({"schema": {"type": "string"}});
    Some(content)
}

/// Returns plain-text content of these media types.
pub(crate) fn text_content(types: &[&str]) -> Option<Value> {
    let content = |kind: &&str| ((*kind).to_owned(), json!({"schema": {"type": "string"}}));
    Some(types.iter().map(content).collect::<Map<_, _>>().into())
}
