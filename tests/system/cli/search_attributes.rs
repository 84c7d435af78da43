//! `migrate` on a namespace without search attributes (ENG-41).

use temporalio_client::tonic::IntoRequest;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, RegisterNamespaceRequest,
};

use crate::{api::order_with_payment, harness::Harness};

/// Creates a namespace, which has no search attributes.
async fn create_namespace(harness: &Harness, namespace: &str) {
    let client = harness.connect_to_temporal().await;
    let request = RegisterNamespaceRequest {
        namespace: namespace.to_owned(),
        workflow_execution_retention_period: std::time::Duration::from_secs(86_400).try_into().ok(),
        ..RegisterNamespaceRequest::default()
    };
    let mut service = client.connection().workflow_service();
    service
        .register_namespace(request.into_request())
        .await
        .unwrap();
    let is_known = async || {
        let request = DescribeNamespaceRequest {
            namespace: namespace.to_owned(),
            ..DescribeNamespaceRequest::default()
        };
        let mut service = client.connection().workflow_service();
        service
            .describe_namespace(request.into_request())
            .await
            .is_ok()
    };
    harness
        .wait_until("the namespace", is_known, |known| *known)
        .await;
}

#[tokio::test]
async fn orders_start_after_migrate() {
    let namespace = format!("attributes-{}", std::process::id());
    create_namespace(&Harness::start().await, &namespace).await;
    let harness = Harness::start_with(&[("TEMPORAL_NAMESPACE", &namespace)]).await;
    let start = async || {
        let path = "/orders/after-migrate/start";
        let order = order_with_payment("pmt-after-migrate");
        harness.post_without_retry(path, &order, &[]).await
    };
    // Before the first one, the server may not know the new namespace.
    let refused = harness
        .wait_until("a refusal", start, |response| {
            response.status == 503 && !response.header("retry-after").is_empty()
        })
        .await;
    refused.expect_problem(503, "temporal_unavailable");
    let migrated = harness
        .command()
        .arg("migrate")
        .env("TEMPORAL_NAMESPACE", &namespace)
        .output()
        .await
        .unwrap();
    let migrated = Harness::expect_stdout(migrated);
    assert!(
        migrated.contains("temporal: registered OrderStatus"),
        "{migrated}"
    );
    assert_eq!(start().await.status, 202);
    let ended = harness.wait_for_end("after-migrate").await;
    assert_eq!(ended.status.as_str(), "delivered");
    harness.assert_invariants().await;
}
