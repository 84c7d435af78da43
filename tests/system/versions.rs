//! Worker Versioning: orders in flight finish on the build that they began on, or go on with the newest, as is asked for.

use serde_json::{Value, json};
use temporalio_client::tonic::IntoRequest;
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    workflowservice::v1::{
        DescribeWorkflowExecutionRequest, SetWorkerDeploymentCurrentVersionRequest,
    },
};

use crate::harness::Harness;

/// From now on what is new goes to `build`. Refused until Temporal has seen a worker of it on both queues.
pub(crate) async fn make_current(world: &Harness, deployment: &str, build: &str) {
    let client = world.connect_to_temporal().await;
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
    world
        .wait_until("the current version", set, Result::is_ok)
        .await
        .unwrap();
}

/// The build that worked on the order last.
async fn build_of(world: &Harness, order_id: &str) -> String {
    let request = DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: format!("order-{order_id}"),
            run_id: String::new(),
        }),
    };
    let client = world.connect_to_temporal().await;
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

async fn finish(behavior: &str, order: &str, finished_by: &str) {
    let deployment = format!("orders-{behavior}-{}", std::process::id());
    let settings = [
        ("TEMPORAL_DEPLOYMENT_NAME", deployment.as_str()),
        ("TEMPORAL_WORKER_BUILD_ID", "one"),
        ("WORKER_VERSIONING_BEHAVIOR", behavior),
        ("REVIEW_THRESHOLD", "1"),
    ];
    let world = Harness::start_with(&settings).await;
    make_current(&world, &deployment, "one").await;
    let start = async |id: &str| {
        let body = json!({"payment_id": format!("pmt-{id}")});
        world
            .post(&format!("/orders/{id}/start"), body)
            .await
            .expect_started();
        let reviewed = |status: &Value| status["step"] == "manual_review";
        let status = async || world.get(&format!("/orders/{id}/status")).await.body;
        world
            .wait_until("the wait for a review", status, reviewed)
            .await;
    };
    let (old, new) = (format!("{order}-old"), format!("{order}-new"));
    start(&old).await;
    let _two = world
        .start_another_worker("two", &[("TEMPORAL_WORKER_BUILD_ID", "two")])
        .await;
    make_current(&world, &deployment, "two").await;
    start(&new).await;
    for id in [&old, &new] {
        world
            .post(&format!("/orders/{id}/signals/approve"), json!({}))
            .await
            .expect_status(200);
        assert_eq!(world.wait_for_end(id).await.status.as_str(), "delivered");
    }
    assert_eq!(
        (build_of(&world, &old).await, build_of(&world, &new).await),
        (finished_by.to_owned(), "two".to_owned())
    );
    world.assert_invariants().await;
}

#[tokio::test]
async fn a_pinned_order_finishes_on_the_build_that_it_began_on() {
    finish("pinned", "pinned", "one").await;
}

#[tokio::test]
async fn an_order_that_upgrades_goes_on_with_the_current_build() {
    finish("auto-upgrade", "upgraded", "two").await;
}
