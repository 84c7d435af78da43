//! `ETag` and `If-None-Match`.

use reqwest::Method;

use super::{cancel_order, create_waiting_order, get_with_headers, read_paths};
use crate::harness::Harness;

#[tokio::test]
async fn matching_etag_returns_304() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    let tag = harness
        .get(&format!("/orders/{id}"))
        .await
        .header("etag")
        .to_owned();
    let strong = tag.strip_prefix("W/").unwrap().to_owned();
    let list = format!("\"abc\", {tag}");
    for path in read_paths(&id)
        .iter()
        .filter(|path| !path.ends_with("/result"))
    {
        for known in [&tag, &strong, &list, "*"] {
            let response = get_with_headers(&harness, path, &[("if-none-match", known)]).await;
            assert_eq!(
                (response.status.as_u16(), response.body.as_str()),
                (304, Some("")),
                "{path} {known}"
            );
            assert_eq!(
                (response.header("etag"), response.header("content-type")),
                (tag.as_str(), ""),
                "{path}"
            );
            assert_eq!(response.header("cache-control"), "private, no-cache");
            assert!(!response.header("x-request-id").is_empty());
        }
        for unknown in ["W/\"999\"", "\"abc\"", "nonsense", "\"0\""] {
            let response = get_with_headers(&harness, path, &[("if-none-match", unknown)]).await;
            assert_eq!(
                (response.status.as_u16(), response.header("etag")),
                (200, tag.as_str()),
                "{path} {unknown}"
            );
        }
    }
    cancel_order(&harness, &id).await;
    // The order changed: a request with the old tag gets the new state, and the result has a tag.
    for path in read_paths(&id) {
        let response = get_with_headers(&harness, &path, &[("if-none-match", &tag)]).await;
        assert_eq!(response.status, 200, "{path}");
        let new = response.header("etag").to_owned();
        assert_eq!(
            get_with_headers(&harness, &path, &[("if-none-match", &new)])
                .await
                .status,
            304,
            "{path}"
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn head_has_the_status_and_the_tag_of_get() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    let path = format!("/orders/{id}");
    let get = harness.get(&path).await;
    let head = harness.send(Method::HEAD, &path, &[], None).await;
    assert_eq!(head.header("etag"), get.header("etag"));
    assert_eq!(head.expect_status(200), "");
    for path in ["/orders/o-1", "/orders/o-1/result"] {
        let missing = harness.send(Method::HEAD, path, &[], None).await;
        assert_eq!(missing.expect_status(404), "", "{path}");
        harness
            .send(Method::PUT, path, &[], None)
            .await
            .expect_problem(405, "method_not_allowed");
    }
}
