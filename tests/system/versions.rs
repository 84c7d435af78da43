//! Worker Versioning: a running order finishes on its first build (`pinned`) or continues on the
//! current build (`auto-upgrade`).

use serde_json::{Value, json};
use temporalio_client::tonic::IntoRequest;
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    workflowservice::v1::{
        DescribeWorkflowExecutionRequest, SetWorkerDeploymentCurrentVersionRequest,
    },
};

use crate::harness::Harness;

/// Makes `build` the current version, which new orders use. Temporal refuses until workers of this
/// build poll both task queues.
pub(crate) async fn set_current_build(harness: &Harness, deployment: &str, build: &str) {
    let client = harness.connect_to_temporal().await;
    let set = async || {
        let request = SetWorkerDeploymentCurrentVersionRequest {
            namespace: "default".to_owned(),
            deployment_name: deployment.to_owned(),
            build_id: build.to_owned(),
            ..SetWorkerDeploymentCurrentVersionRequest::default()
        };
        let mut service = client.connection().workflow_service();
        service
            .set_worker_deployment_current_version(request.into_request())
            .await
            .map(|_| ())
    };
    harness
        .wait_until("the current version", set, Result::is_ok)
        .await
        .unwrap();
}

/// Returns the build that ran the last workflow task of the order.
async fn read_last_build(harness: &Harness, order_id: &str) -> String {
    let request = DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: format!("order-{order_id}"),
            run_id: String::new(),
        }),
    };
    let client = harness.connect_to_temporal().await;
    let mut service = client.connection().workflow_service();
    let described = service
        .describe_workflow_execution(request.into_request())
        .await
        .unwrap()
        .into_inner();
    let versioning = described
        .workflow_execution_info
        .unwrap()
        .versioning_info
        .unwrap();
    versioning.deployment_version.unwrap().build_id
}

async fn assert_finishing_build(behavior: &str, order: &str, finished_by: &str) {
    let deployment = format!("orders-{behavior}-{}", std::process::id());
    let settings = [
        ("TEMPORAL_DEPLOYMENT_NAME", deployment.as_str()),
        ("TEMPORAL_WORKER_BUILD_ID", "one"),
        ("WORKER_VERSIONING_BEHAVIOR", behavior),
        ("REVIEW_THRESHOLD", "1"),
    ];
    let harness = Harness::start_with(&settings).await;
    set_current_build(&harness, &deployment, "one").await;
    let start = async |id: &str| {
        let body = json!({"payment_id": format!("pmt-{id}")});
        harness
            .post(&format!("/orders/{id}/start"), body)
            .await
            .expect_started();
        let reviewed = |status: &Value| status["step"] == "manual_review";
        let status = async || harness.get(&format!("/orders/{id}/status")).await.body;
        harness
            .wait_until("the wait for a review", status, reviewed)
            .await;
    };
    let (old, new) = (format!("{order}-old"), format!("{order}-new"));
    start(&old).await;
    let _two = harness
        .start_another_worker("two", &[("TEMPORAL_WORKER_BUILD_ID", "two")])
        .await;
    set_current_build(&harness, &deployment, "two").await;
    start(&new).await;
    for id in [&old, &new] {
        harness
            .post(&format!("/orders/{id}/signals/approve"), json!({}))
            .await
            .expect_status(200);
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    }
    assert_eq!(
        (
            read_last_build(&harness, &old).await,
            read_last_build(&harness, &new).await
        ),
        (finished_by.to_owned(), "two".to_owned())
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn pinned_order_finishes_on_its_first_build() {
    assert_finishing_build("pinned", "pinned", "one").await;
}

#[tokio::test]
async fn auto_upgrade_order_continues_on_current_build() {
    assert_finishing_build("auto-upgrade", "upgraded", "two").await;
}
