//! Tests of the documentation: the API description compared with the API, the guides and the web
//! pages.

mod browser;
mod examples;
mod guide;
mod migration;
mod performance;

use std::{collections::BTreeSet, fs, path::PathBuf};

use reqwest::Method;
use serde_json::Value;

use crate::{api::ApiResponse, harness::Harness};
use orderflow_http::{Function, ROUTES};

fn read_file(path: &str) -> String {
    fs::read_to_string(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(path),
    )
    .unwrap()
}

fn body_text(response: &ApiResponse) -> String {
    response
        .body
        .as_str()
        .map_or_else(|| response.body.to_string(), str::to_owned)
}

/// Returns the files that a page loads: the values of `src`, and of `href` in `<link>`.
fn loaded_files(page: &str) -> Vec<String> {
    let tags = page.split('<').filter(|tag| {
        tag.starts_with("script") || tag.starts_with("link") || tag.starts_with("img")
    });
    let value = |tag: &str| {
        let (_, rest) = tag
            .split_once("src=\"")
            .or_else(|| tag.split_once("href=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    tags.filter_map(value).collect()
}

#[tokio::test]
async fn pages_and_their_files_are_served_locally() {
    let harness = Harness::start().await;
    for path in ["/", "/docs", "/redoc"] {
        let page = harness.get(path).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, "text/html; charset=utf-8"),
            "{path}"
        );
        let policy = page.header("content-security-policy").to_owned();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{path}: {policy}"
        );
        assert!(
            !policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval"),
            "{path}: {policy}"
        );
        assert!(
            path == "/redoc" || !policy.contains("unsafe-inline"),
            "{path}: {policy}"
        );
        let loads = loaded_files(&body_text(&page));
        assert!(loads.len() > 2, "{path}: {loads:?}");
        for name in loads {
            let file = harness.get(&format!("/{name}")).await;
            let kind = match name.rsplit('.').next().unwrap() {
                "js" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                _ => "image/svg+xml",
            };
            assert_eq!(
                (file.status.as_u16(), file.header("content-type")),
                (200, kind),
                "{name}"
            );
            assert_eq!(file.header("x-content-type-options"), "nosniff", "{name}");
            let versioned = name.contains("swagger-ui-") || name.contains("redoc-");
            let cache = if versioned {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            };
            assert_eq!(file.header("cache-control"), cache, "{name}");
            let revalidated = harness
                .send(
                    Method::GET,
                    &format!("/{name}"),
                    &[("if-none-match", file.header("etag"))],
                    None,
                )
                .await;
            assert_eq!(
                (revalidated.status.as_u16(), revalidated.body),
                (304, Value::String(String::new())),
                "{name}"
            );
        }
    }
}

/// The web files of this project must not load anything from another host.
#[tokio::test]
async fn web_files_reference_no_foreign_host() {
    let harness = Harness::start().await;
    for folder in ["console", "pages"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../functions/web")
            .join(folder);
        for entry in fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let text = fs::read_to_string(&entry)
                .unwrap()
                .replace("http://www.w3.org/2000/svg", "");
            assert!(
                !text.contains("://") && !text.contains("url(") && !text.contains("eval("),
                "{}",
                entry.display()
            );
            for import in text
                .split(" from '")
                .skip(1)
                .map(|rest| rest.split('\'').next().unwrap())
            {
                let name = import
                    .strip_prefix("./")
                    .unwrap_or_else(|| panic!("{}: {import}", entry.display()));
                assert_eq!(
                    harness.get(&format!("/console/{name}")).await.status,
                    200,
                    "{}: {name}",
                    entry.display()
                );
            }
            // These functions would turn order data into markup.
            for function in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "srcdoc",
            ] {
                assert!(!text.contains(function), "{}: {function}", entry.display());
            }
        }
    }
}

#[tokio::test]
async fn served_openapi_document_equals_checked_in_document() {
    let harness = Harness::start().await;
    let served = harness.get("/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(
        served.expect_status(200),
        serde_json::from_str::<Value>(&read_file("docs/openapi.json")).unwrap()
    );
}

#[tokio::test]
async fn unknown_path_is_404_and_wrong_method_405() {
    let harness = Harness::start().await;
    for path in [
        "/nowhere",
        "/console/",
        "/console/nothing.js",
        "/docs/index.html",
        "/favicon.ico",
        "/nowhere/",
    ] {
        harness
            .get(path)
            .await
            .expect_problem(404, "route_not_found");
    }
    for route in ROUTES {
        let path = route
            .pattern
            .replace("{id}", "order-1")
            .replace("{path+}", "main.js");
        let on_path = ROUTES.iter().filter(|other| other.pattern == route.pattern);
        let mut allowed: BTreeSet<_> = on_path.map(|other| other.method.as_str()).collect();
        if allowed.contains("GET") {
            allowed.insert("HEAD");
        }
        let others = [Method::PUT, Method::PATCH].into_iter();
        for method in others.filter(|method| !allowed.contains(method.as_str())) {
            let response = harness.send(method, &path, &[], None).await;
            assert_eq!(
                response
                    .header("allow")
                    .split(", ")
                    .collect::<BTreeSet<_>>(),
                allowed,
                "{path}"
            );
            response.expect_problem(405, "method_not_allowed");
        }
    }
    assert_eq!(Function::FALLBACK, Function::Web);
}

#[tokio::test]
async fn head_and_trailing_slash_lead_to_the_route() {
    let harness = Harness::start().await;
    // The client follows redirects.
    for path in ["/orders/?limit=1", "/docs/", "/health/"] {
        harness.get(path).await.expect_status(200);
    }
    let health = harness.send(Method::HEAD, "/health", &[], None).await;
    assert_eq!(health.header("content-type"), "application/json");
    assert_eq!(health.expect_status(200), "");
    let unknown = harness
        .send(Method::HEAD, "/orders/nobody", &[], None)
        .await;
    assert_eq!(unknown.header("cache-control"), "no-store");
    assert_eq!(unknown.expect_status(404), "");
}

#[test]
fn console_offers_every_signal_of_the_api() {
    let actions = read_file("functions/web/console/actions.js");
    let offered: BTreeSet<_> = actions
        .split("signal: '")
        .skip(1)
        .map(|rest| rest.split('\'').next().unwrap().to_owned())
        .collect();
    let signals = ROUTES
        .iter()
        .filter_map(|route| route.pattern.strip_prefix("/orders/{id}/signals/"));
    assert_eq!(offered, signals.map(str::to_owned).collect());
}
