//! `orderflow snapshot` against a server with RDS's protocol: errors, waiting and the requests of a
//! restore. `localstack/snapshot.sh` rehearses the commands against MiniStack.

mod rds;

use rds::{ENCRYPTED, Rds, RdsRequest, instance, restored, snapshot, snapshots};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{assert_matches_snapshot, format_session_entry, program};
use crate::harness::Harness;

const DESCRIBE: &str = "DescribeDBSnapshots";
const INSTANCES: &str = "DescribeDBInstances";

/// Removes the AWS configuration of this machine and disables its instance role.
fn isolate_from_aws(command: &mut Command) {
    command
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_DEFAULT_REGION");
    command
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", "/nonexistent");
}

fn snapshot_with_status(status: &str) -> String {
    snapshots(&[snapshot(
        "before",
        "orders",
        &format!("{status}<Encrypted>true</Encrypted>"),
    )])
}

#[tokio::test]
async fn create_retries_transient_errors_and_shows_progress() {
    let rds = Rds::start().await;
    rds.respond(
        "CreateDBSnapshot",
        &snapshot("before", "orders", "<Status>creating</Status>"),
    );
    rds.respond(
        DESCRIBE,
        &snapshot_with_status("<Status>creating</Status><PercentProgress>10</PercentProgress>"),
    );
    // More errors than the SDK itself retries.
    for _ in 0..4 {
        rds.respond_with_error(DESCRIBE, 503, "ServiceUnavailable");
    }
    rds.respond(
        DESCRIBE,
        &snapshot_with_status("<Status>creating</Status><PercentProgress>60</PercentProgress>"),
    );
    rds.respond(
        DESCRIBE,
        &snapshot_with_status("<Status>available</Status>"),
    );
    let output = rds.orderflow(&["snapshot", "create", "before"]).await;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(
        lines,
        [
            "the snapshot before: creating, 10 %",
            "the snapshot before: AWS does not respond",
            "the snapshot before: creating, 60 %"
        ]
    );
    let printed = Harness::expect_stdout(output);
    assert!(
        printed.starts_with("created before, a snapshot of orders: 100 GiB, encrypted\n"),
        "{printed}"
    );
    let first = &rds.received_requests()[0];
    assert_eq!(
        (
            &*first["DBSnapshotIdentifier"],
            &*first["DBInstanceIdentifier"]
        ),
        ("before", "orders")
    );
}

#[tokio::test]
async fn repeated_create_takes_one_snapshot() {
    let rds = Rds::start().await;
    rds.respond_with_error("CreateDBSnapshot", 400, "DBSnapshotAlreadyExists")
        .respond(
            DESCRIBE,
            &snapshot_with_status("<Status>available</Status>"),
        );
    let again = rds
        .orderflow(&["snapshot", "create", "before", "--json"])
        .await;
    let listed: Value = serde_json::from_str(&Harness::expect_stdout(again)).unwrap();
    assert_eq!(
        (&listed["name"], &listed["status"]),
        (&json!("before"), &json!("available"))
    );
    // A snapshot of another instance with this name is an error.
    let other = rds
        .orderflow(&["snapshot", "create", "before", "--instance", "other"])
        .await;
    assert!(!other.status.success());
    let message = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        message.contains("snapshot before: it exists and is of another instance (orders)"),
        "{message}"
    );
}

#[tokio::test]
async fn create_generates_a_name_and_can_skip_waiting() {
    let rds = Rds::start().await;
    rds.respond(
        "CreateDBSnapshot",
        &snapshot(
            "orders-20261121-093000",
            "orders",
            "<Status>creating</Status>",
        ),
    );
    let printed = Harness::expect_stdout(rds.orderflow(&["snapshot", "create", "--no-wait"]).await);
    assert!(printed.starts_with("began to create orders-2"), "{printed}");
    assert_eq!(rds.actions(), ["CreateDBSnapshot"]);
    let name = rds.received_requests()[0]["DBSnapshotIdentifier"].clone();
    let digits = name.strip_prefix("orders-").unwrap().replace('-', "");
    assert!(
        digits.len() == 14 && digits.bytes().all(|digit| digit.is_ascii_digit()),
        "{name}"
    );
}

#[tokio::test]
async fn failed_snapshot_is_an_error() {
    for status in ["failed", "incompatible-restore"] {
        let rds = Rds::start().await;
        rds.respond(
            "CreateDBSnapshot",
            &snapshot("before", "orders", "<Status>creating</Status>"),
        );
        rds.respond(
            DESCRIBE,
            &snapshot_with_status(&format!("<Status>{status}</Status>")),
        );
        let output = rds.orderflow(&["snapshot", "create", "before"]).await;
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            message.contains(&format!(
                "the snapshot before: {status}; see the reason with"
            )),
            "{message}"
        );
    }
}

#[tokio::test]
async fn list_shows_every_page_newest_first() {
    let rds = Rds::start().await;
    let at = |day: u32, more: &str| {
        format!(
            "<Status>available</Status><SnapshotCreateTime>2026-11-{day}T02:05:00Z</SnapshotCreateTime>{more}"
        )
    };
    let encrypted = "<Encrypted>true</Encrypted>";
    let nightly = snapshot("rds:orders-2026-11-19-02-05", "orders", &at(19, encrypted))
        .replace("manual", "automated");
    let first = snapshots(&[nightly, snapshot("before", "orders", &at(20, encrypted))]);
    rds.respond(DESCRIBE, &format!("<Marker>more</Marker>{first}"));
    let begun = "<Status>creating</Status>";
    rds.respond(
        DESCRIBE,
        &snapshots(&[
            snapshot("old", "orders", &at(18, "")),
            snapshot("now", "orders", begun),
        ]),
    );
    let table = rds.orderflow(&["snapshot", "list"]).await;
    let requests = rds.received_requests();
    assert_eq!(
        (
            requests.len(),
            &*requests[0]["DBInstanceIdentifier"],
            &*requests[1]["Marker"]
        ),
        (2, "orders", "more")
    );
    let other = Rds::start().await;
    other.respond(DESCRIBE, &snapshots(&[]));
    let none = other
        .orderflow(&["snapshot", "list", "--instance", "other"])
        .await;
    let session = format_session_entry(&["snapshot", "list"], &table)
        + &format_session_entry(&["snapshot", "list", "--instance", "other"], &none);
    assert_matches_snapshot("snapshot_list", &session);
    let rds = Rds::start().await;
    rds.respond(
        DESCRIBE,
        &snapshots(&[snapshot("before", "orders", ENCRYPTED)]),
    );
    let listed: Value = serde_json::from_str(&Harness::expect_stdout(
        rds.orderflow(&["snapshot", "list", "--json"]).await,
    ))
    .unwrap();
    let expected = json!([{"name": "before", "instance": "orders", "created": "2026-11-21T09:30:00Z", "size_gib": 100,
        "status": "available", "encrypted": true, "kind": "manual"}]);
    assert_eq!(listed, expected);
}

/// Starts an RDS server that is ready for a restore into `to`.
async fn before_a_restore(to: &str) -> Rds {
    let rds = Rds::start().await;
    rds.respond(INSTANCES, &instance(true)).respond_with_error(
        INSTANCES,
        404,
        "DBInstanceNotFound",
    );
    rds.respond(
        DESCRIBE,
        &snapshots(&[snapshot("before", "orders", ENCRYPTED)]),
    );
    for action in [
        "RestoreDBInstanceFromDBSnapshot",
        "RestoreDBInstanceToPointInTime",
    ] {
        rds.respond(action, "");
    }
    rds.respond(INSTANCES, &restored(to, "creating"))
        .respond(INSTANCES, &restored(to, "backing-up"));
    rds.respond(INSTANCES, &restored(to, "available"));
    rds
}

/// Returns the one request that changes anything, and checks that there is no other.
#[track_caller]
fn restore_request(rds: &Rds, action: &str) -> RdsRequest {
    let changes: Vec<_> = rds
        .received_requests()
        .into_iter()
        .filter(|request| !request["Action"].starts_with("Describe"))
        .collect();
    assert_eq!(
        changes
            .iter()
            .map(|request| &*request["Action"])
            .collect::<Vec<_>>(),
        [action]
    );
    changes.into_iter().next().unwrap()
}

#[track_caller]
fn assert_copies_configuration(request: &RdsRequest) {
    for (name, value) in [
        ("DBInstanceClass", "db.m7g.large"),
        ("DBSubnetGroupName", "private-subnets"),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-1"),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.2", "sg-2"),
        ("DBParameterGroupName", "forces-tls"),
        ("EnableIAMDatabaseAuthentication", "true"),
        ("PubliclyAccessible", "false"),
        ("DeletionProtection", "true"),
        ("ManageMasterUserPassword", "true"),
        ("MultiAZ", "true"),
        ("StorageType", "gp3"),
        ("EnableCloudwatchLogsExports.member.1", "postgresql"),
        ("Tags.Tag.1.Key", "team"),
    ] {
        assert_eq!(
            request.get(name).map(String::as_str),
            Some(value),
            "{name} of {request:?}"
        );
    }
    assert!(
        !request.contains_key("Tags.Tag.2.Key"),
        "AWS's own tags: {request:?}"
    );
}

#[tokio::test]
async fn restore_copies_the_instance_configuration() {
    let rds = before_a_restore("orders-restored").await;
    let output = rds.orderflow(&["snapshot", "restore", "before"]).await;
    assert_matches_snapshot(
        "snapshot_restore",
        &format_session_entry(&["snapshot", "restore", "before"], &output),
    );
    let request = restore_request(&rds, "RestoreDBInstanceFromDBSnapshot");
    assert_eq!(
        (
            &*request["DBSnapshotIdentifier"],
            &*request["DBInstanceIdentifier"]
        ),
        ("before", "orders-restored")
    );
    assert_copies_configuration(&request);
}

#[tokio::test]
async fn restore_accepts_a_point_in_time() {
    for (at, name, value) in [
        (
            "2026-11-21T10:30:00+01:00",
            "RestoreTime",
            "2026-11-21T09:30:00Z",
        ),
        ("latest", "UseLatestRestorableTime", "true"),
    ] {
        let rds = before_a_restore("rehearsal").await;
        let arguments = [
            "snapshot",
            "restore",
            "--at",
            at,
            "--to",
            "rehearsal",
            "--json",
        ];
        let restored: Value =
            serde_json::from_str(&Harness::expect_stdout(rds.orderflow(&arguments).await)).unwrap();
        assert_eq!(
            (&restored["instance"], &restored["status"]),
            (&json!("rehearsal"), &json!("available"))
        );
        let request = restore_request(&rds, "RestoreDBInstanceToPointInTime");
        assert_eq!(
            request.get(name).map(String::as_str),
            Some(value),
            "{request:?}"
        );
        assert_eq!(&*request["SourceDBInstanceIdentifier"], "orders");
        assert_eq!(
            (
                &*request["TargetDBInstanceIdentifier"],
                &*request["MaxAllocatedStorage"]
            ),
            ("rehearsal", "400")
        );
        assert_copies_configuration(&request);
    }
}

#[tokio::test]
async fn restore_replaces_nothing_and_requires_encryption() {
    let refused = async |rds: &Rds, arguments: &[&str], why: &str| {
        let output = rds.orderflow(arguments).await;
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(1) && message.contains(why),
            "{message}"
        );
        assert!(
            rds.actions()
                .iter()
                .all(|action| action.starts_with("Describe")),
            "{:?}",
            rds.actions()
        );
    };
    let rds = Rds::start().await;
    rds.respond(INSTANCES, &instance(true));
    let to_itself = ["snapshot", "restore", "before", "--to", "orders"];
    refused(
        &rds,
        &to_itself,
        "RDS instance orders: it exists and is never replaced; choose another name with --to",
    )
    .await;
    let rds = Rds::start().await;
    rds.respond(INSTANCES, &instance(true)).respond_with_error(
        INSTANCES,
        404,
        "DBInstanceNotFound",
    );
    rds.respond(
        DESCRIBE,
        &snapshots(&[snapshot("before", "orders", "<Status>available</Status>")]),
    );
    refused(
        &rds,
        &["snapshot", "restore", "before"],
        "the snapshot before: not encrypted",
    )
    .await;
    let rds = Rds::start().await;
    rds.respond(INSTANCES, &instance(false)).respond_with_error(
        INSTANCES,
        404,
        "DBInstanceNotFound",
    );
    refused(
        &rds,
        &["snapshot", "restore", "--at", "latest"],
        "orders: not encrypted",
    )
    .await;
}

#[tokio::test]
async fn aws_errors_are_one_line_with_next_step() {
    let mut session = String::new();
    for code in [
        "AccessDenied",
        "ExpiredToken",
        "RequestExpired",
        "DBInstanceNotFound",
        "SnapshotQuotaExceeded",
        "InvalidDBInstanceState",
        "KMSKeyNotAccessibleFault",
        "SomethingNew",
    ] {
        let rds = Rds::start().await;
        rds.respond_with_error("CreateDBSnapshot", 400, code);
        session += &format_session_entry(
            &["snapshot", "create", "before"],
            &rds.orderflow(&["snapshot", "create", "before"]).await,
        );
    }
    let rds = Rds::start().await;
    rds.respond_with_error(DESCRIBE, 404, "DBSnapshotNotFound");
    rds.respond(INSTANCES, &instance(true)).respond_with_error(
        INSTANCES,
        404,
        "DBInstanceNotFound",
    );
    session += &format_session_entry(
        &["snapshot", "restore", "gone"],
        &rds.orderflow(&["snapshot", "restore", "gone"]).await,
    );
    for (code, at) in [
        ("InstanceQuotaExceeded", "before"),
        ("InsufficientDBInstanceCapacity", "before"),
    ] {
        let rds = Rds::start().await;
        rds.respond(INSTANCES, &instance(true)).respond_with_error(
            INSTANCES,
            404,
            "DBInstanceNotFound",
        );
        rds.respond(
            DESCRIBE,
            &snapshots(&[snapshot("before", "orders", ENCRYPTED)]),
        );
        rds.respond_with_error("RestoreDBInstanceFromDBSnapshot", 400, code);
        session += &format_session_entry(
            &["snapshot", "restore", at],
            &rds.orderflow(&["snapshot", "restore", at]).await,
        );
    }
    let rds = Rds::start().await;
    rds.respond(INSTANCES, &instance(true)).respond_with_error(
        INSTANCES,
        404,
        "DBInstanceNotFound",
    );
    rds.respond_with_error(
        "RestoreDBInstanceToPointInTime",
        400,
        "PointInTimeRestoreNotEnabled",
    );
    let at = ["snapshot", "restore", "--at", "latest"];
    session += &format_session_entry(&at, &rds.orderflow(&at).await);
    assert!(!session.contains("marked"), "{session}");
    assert_matches_snapshot("snapshot_errors", &session);
}

#[tokio::test]
async fn missing_settings_are_named() {
    let run = async |arguments: &[&str], set: &[(&str, &str)]| {
        let mut command = program();
        isolate_from_aws(&mut command);
        for name in [
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "ORDERFLOW_DB_INSTANCE",
        ] {
            command.env_remove(name);
        }
        format_session_entry(
            arguments,
            &command
                .args(arguments)
                .envs(set.iter().copied())
                .output()
                .await
                .unwrap(),
        )
    };
    let region = ("AWS_REGION", "eu-central-1");
    let keys = [
        ("AWS_ACCESS_KEY_ID", "marked"),
        ("AWS_SECRET_ACCESS_KEY", "marked"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    ];
    let mut session = run(&["snapshot", "create"], &[region]).await;
    session += &run(&["snapshot", "list"], &[region]).await;
    session += &run(&["snapshot", "list"], &keys).await;
    session += &run(&["snapshot", "list"], &[&keys[..], &[region]].concat()).await;
    session += &run(&["snapshot", "restore"], &[]).await;
    session += &run(&["snapshot", "restore", "a", "--at", "latest"], &[]).await;
    session += &run(&["snapshot", "restore", "--at", "yesterday"], &[]).await;
    session += &run(&["snapshot", "create", "no_such_name"], &[]).await;
    assert_matches_snapshot("snapshot_settings", &session);
}

#[tokio::test]
async fn instance_and_region_come_from_database_url() {
    let rds = Rds::start().await;
    rds.respond(DESCRIBE, &snapshots(&[]));
    let mut command = program();
    isolate_from_aws(&mut command);
    command
        .env_remove("AWS_REGION")
        .env_remove("ORDERFLOW_DB_INSTANCE")
        .env("AWS_ENDPOINT_URL", rds.url());
    command
        .env("AWS_ACCESS_KEY_ID", "marked-key-id")
        .env("AWS_SECRET_ACCESS_KEY", "marked-access-key");
    let host = "orders-prod.c9akciq32rgx.eu-central-1.rds.amazonaws.com";
    command.env(
        "DATABASE_URL",
        format!("postgres://reader@{host}:5432/orderflow"),
    );
    let printed =
        Harness::expect_stdout(command.args(["snapshot", "list"]).output().await.unwrap());
    assert!(printed.contains("no snapshots of orders-prod"), "{printed}");
    assert_eq!(
        rds.received_requests()[0]["DBInstanceIdentifier"],
        "orders-prod"
    );
}
