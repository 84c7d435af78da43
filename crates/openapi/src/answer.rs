//! Answers that are no problems, and the headers of all.

use serde_json::{Map, Value, json};

/// What a header is, for those that several answers have.
pub(crate) fn headers() -> Map<String, Value> {
    let text = |description: &str, required: bool, example: &str| json!({"description": description, "required": required, "schema": {"type": "string"}, "example": example});
    let headers = [
        (
            "RequestId",
            text(
                "The call's name in logs: the caller's own, or one made for it.",
                true,
                "checkout-7421",
            ),
        ),
        (
            "ServerTiming",
            text(
                "What the call spent its time on, in milliseconds.",
                true,
                "temporal;dur=12.4, total;dur=13.1",
            ),
        ),
        (
            "WwwAuthenticate",
            text("How to say who calls.", true, "ApiKey realm=\"orderflow\""),
        ),
        (
            "Location",
            text("Where to look.", true, "/orders/ORD-20261121-120000-AB12"),
        ),
        (
            "Link",
            text(
                "The next page, where there is one (RFC 8288).",
                false,
                "</orders?cursor=MXxPUkQtMQ>; rel=\"next\"",
            ),
        ),
        (
            "Allow",
            text("The methods that the path has.", true, "GET, POST"),
        ),
        (
            "ETag",
            text("The version of what was sent.", true, "W/\"7\""),
        ),
        (
            "PreferenceApplied",
            text(
                "For how long the caller would have waited.",
                false,
                "wait=1",
            ),
        ),
        (
            "CacheControl",
            text("How long it may be kept.", true, "no-cache"),
        ),
        (
            "ContentSecurityPolicy",
            text(
                "What a browser may load: from here, and nothing else.",
                true,
                "default-src 'none'; script-src 'self'",
            ),
        ),
        (
            "RetryAfter",
            json!({
                "description": "After how many seconds to try again.", "required": true,
                "schema": {"type": "string", "pattern": "^[0-9]+$"}, "example": "5",
            }),
        ),
    ];
    headers
        .into_iter()
        .map(|(name, header)| (name.to_owned(), header))
        .collect()
}

/// One status of one route.
pub(crate) fn answer(description: &str, with: &[(&str, &str)], content: Option<Value>) -> Value {
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
    let mut answer = json!({"description": description, "headers": headers});
    if let Some(content) = content {
        answer["content"] = content;
    }
    answer
}

/// Content of one JSON type, with an example.
pub(crate) fn json_content(schema: &Value, example: &Value) -> Option<Value> {
    Some(json!({"application/json": {"schema": schema, "example": example}}))
}

/// Content that is text for a browser.
pub(crate) fn text_content(types: &[&str]) -> Option<Value> {
    let content = |kind: &&str| ((*kind).to_owned(), json!({"schema": {"type": "string"}}));
    Some(types.iter().map(content).collect::<Map<_, _>>().into())
}
