//! `migrate` against a server that refuses calls of the operator's service, as Temporal Cloud does.

mod stub;

use std::process::Output;

use stub::Namespace;
use temporalio_client::tonic::Code;

use super::program;
use crate::shared_servers::shared_servers;

const ALL: [&str; 4] = ["OrderStatus", "OrderStep", "CustomerId", "OrderTotal"];

/// The answers with which servers refuse calls of the operator's service.
const REFUSALS: [Code; 2] = [Code::PermissionDenied, Code::Unimplemented];

/// Runs `migrate` on a separate database.
async fn migrate(namespace: Namespace, name: &str) -> Output {
    let database = format!("cloud_{name}_{}", std::process::id());
    program()
        .arg("migrate")
        .env(
            "DATABASE_URL",
            shared_servers().await.create_database(&database).await,
        )
        .env("TEMPORAL_ADDRESS", namespace.serve().await)
        .env("TEMPORAL_NAMESPACE", "shop.a1b2c")
        .output()
        .await
        .unwrap()
}

#[track_caller]
fn expect_output(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{printed:?}");
    assert!(printed.0.contains(stdout), "{printed:?}");
    if stderr.is_empty() {
        assert_eq!(printed.1, "");
    } else {
        assert!(printed.1.contains(stderr), "{printed:?}");
    }
}

#[tokio::test]
async fn missing_attributes_print_the_cloud_command() {
    let command = "run `tcld namespace search-attributes add --namespace shop.a1b2c \
        --sa OrderStatus=Keyword --sa OrderStep=Keyword --sa CustomerId=Keyword \
        --sa OrderTotal=Int`, then repeat `orderflow migrate`";
    for (number, refusal) in REFUSALS.map(Some).into_iter().enumerate() {
        for list in [None, refusal] {
            let namespace = Namespace {
                attributes: &[],
                list,
                add: refusal,
                count: None,
            };
            let name = format!("missing_{number}_{}", list.is_some());
            let output = migrate(namespace, &name).await;
            expect_output(
                &output,
                1,
                "missing search attributes: OrderStatus",
                command,
            );
        }
    }
    let namespace = Namespace {
        attributes: &ALL[..3],
        list: None,
        add: Some(Code::PermissionDenied),
        count: None,
    };
    let command = "add --namespace shop.a1b2c --sa OrderTotal=Int`";
    let output = migrate(namespace, "one_missing").await;
    expect_output(&output, 1, "missing search attributes: OrderTotal", command);
}

#[tokio::test]
async fn present_attributes_need_no_operator_permission() {
    for (number, refusal) in REFUSALS.map(Some).into_iter().enumerate() {
        for list in [None, refusal] {
            let namespace = Namespace {
                attributes: &ALL,
                list,
                add: refusal,
                count: None,
            };
            let name = format!("present_{number}_{}", list.is_some());
            let output = migrate(namespace, &name).await;
            expect_output(
                &output,
                0,
                "all search attributes were already registered",
                "",
            );
        }
    }
}

#[tokio::test]
async fn unverified_attributes_do_not_fail_migrate() {
    for (number, refusal) in REFUSALS.map(Some).into_iter().enumerate() {
        let namespace = Namespace {
            attributes: &[],
            list: refusal,
            add: refusal,
            count: refusal,
        };
        let output = migrate(namespace, &format!("unverified_{number}")).await;
        expect_output(&output, 0, "could not be verified", "");
    }
    // A server that fails is not one that refuses.
    let namespace = Namespace {
        attributes: &ALL,
        list: Some(Code::Internal),
        add: None,
        count: None,
    };
    let output = migrate(namespace, "failing").await;
    expect_output(&output, 1, "cannot be used", "run `orderflow check`");
}
