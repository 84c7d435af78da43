//! A program whose release is older than the schema, as after a rollback.

use std::process::Output;

use serde_json::{Value, json};

use crate::{api::order_with_payment, harness::Harness};
use store::adhoc_query;

/// The next release's migration, with its row. Its table is not for older programs.
const NEXT_MIGRATION: &str = "
    alter table orders add column of_next_release text;
    create table of_next_release (id text primary key);
    insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'of the next release', true, 'any', 0)";

async fn migrate(harness: &Harness, arguments: &[&str]) -> Output {
    harness
        .run_orderflow(&[&["migrate"], arguments].concat())
        .await
}

/// Describes migrations, columns and privileges.
async fn describe_schema(harness: &Harness) -> Vec<String> {
    sqlx::query_scalar(
        "select row::text from (
            select version::text, description, encode(checksum, 'hex') from _sqlx_migrations
            union all select table_schema || '.' || table_name, column_name, data_type from information_schema.columns
            union all select table_schema || '.' || table_name, grantee, privilege_type from information_schema.table_privileges
        ) row order by 1",
    )
    .fetch_all(&harness.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn older_program_runs_on_newer_schema() {
    let harness = Harness::start().await;
    adhoc_query::run_script(&harness.pool, NEXT_MIGRATION)
        .await
        .unwrap();
    let before = describe_schema(&harness).await;
    // Without rds_iam, users could not be created: an older release creates none.
    for arguments in [&[][..], &["--iam-users"]] {
        let output = Harness::expect_stdout(migrate(&harness, arguments).await);
        assert!(
            output.contains("schema 9999 is newer") && output.contains("nothing was changed"),
            "{output}"
        );
    }
    let json: Value = serde_json::from_str(&Harness::expect_stdout(
        migrate(&harness, &["--json"]).await,
    ))
    .unwrap();
    assert_eq!(
        (&json["schema"], &json["applied"]),
        (&json!(9999), &json!([]))
    );
    assert_eq!(describe_schema(&harness).await, before);

    // A worker that starts after the migration becomes ready and processes an order.
    harness.worker.kill().await;
    let _worker = harness.start_another_worker("rolled-back", &[]).await;
    harness
        .post(
            "/orders/rolled-back/start",
            order_with_payment("pmt-rolled-back"),
        )
        .await
        .expect_status(202);
    let ended = harness.wait_for_end("rolled-back").await;
    assert_eq!(ended.status.as_str(), "delivered");
    let read = harness.get("/orders/rolled-back?source=database").await;
    assert_eq!(read.body["status"], "delivered");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn migrate_rejects_a_schema_of_other_migrations() {
    let harness = Harness::start().await;
    for (change, expected) in [
        // The numbers of the migrations have a gap.
        (
            "update _sqlx_migrations set version = 12 where version = 13",
            "migration 12 was previously applied but is missing",
        ),
        (
            "update _sqlx_migrations set version = 13 where version = 12;
             update _sqlx_migrations set checksum = 'other' where version = 13",
            "migration 13 was previously applied but has been modified",
        ),
    ] {
        adhoc_query::run_script(&harness.pool, &format!("{change}; {NEXT_MIGRATION}"))
            .await
            .unwrap();
        let before = describe_schema(&harness).await;
        let output = migrate(&harness, &[]).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(expected), "{errors}");
        assert_eq!(describe_schema(&harness).await, before);
        let remove = "alter table orders drop column of_next_release; drop table of_next_release;
            delete from _sqlx_migrations where version = 9999";
        adhoc_query::run_script(&harness.pool, remove)
            .await
            .unwrap();
    }
}
