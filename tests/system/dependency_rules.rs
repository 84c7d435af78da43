//! The doors between the rooms, as ARCHITECTURE.md draws them: who may depend on whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Each room and all it may lean on: of ours by name, of others only what would break an invariant.
const DOORS: &[(&str, &[&str])] = &[
    ("settings", &[]),
    ("domain", &["settings"]),
    ("contract", &["domain", "settings"]),
    ("workflows", &["contract", "domain"]),
    (
        "order-client",
        &["contract", "domain", "workflows", "settings"],
    ),
    // Credentials and the SDK's calls, for whoever asks AWS for something.
    ("aws", &["settings"]),
    ("store", &["aws", "contract", "domain", "settings"]),
    ("telemetry", &["settings"]),
    // Bytes in, a verdict out: whoever has bytes may ask.
    ("payment-webhooks", &["domain", "settings"]),
    (
        "http",
        &[
            "contract",
            "order-client",
            "domain",
            "telemetry",
            "workflows",
            "settings",
        ],
    ),
    // Thin Temporal clients: no database behind them.
    (
        "start",
        &[
            "contract",
            "order-client",
            "domain",
            "http",
            "telemetry",
            "workflows",
            "settings",
        ],
    ),
    (
        "signal",
        &[
            "contract",
            "order-client",
            "domain",
            "http",
            "telemetry",
            "workflows",
            "settings",
        ],
    ),
    (
        "webhook",
        &[
            "aws",
            "order-client",
            "domain",
            "http",
            "telemetry",
            "payment-webhooks",
            "workflows",
            "settings",
        ],
    ),
    // These two read.
    (
        "query",
        &[
            "contract",
            "order-client",
            "domain",
            "http",
            "store",
            "telemetry",
            "workflows",
            "settings",
        ],
    ),
    (
        "events",
        &[
            "contract",
            "order-client",
            "domain",
            "http",
            "store",
            "telemetry",
            "workflows",
            "settings",
        ],
    ),
    // Files and the route table, nobody behind it.
    ("web", &["domain", "http", "settings"]),
    // No program: it describes all the functions.
    (
        "openapi",
        &[
            "contract", "domain", "events", "http", "query", "signal", "start", "settings",
        ],
    ),
    (
        "worker",
        &[
            "contract",
            "aws",
            "order-client",
            "domain",
            "store",
            "telemetry",
            "workflows",
            "settings",
        ],
    ),
];

/// What may not be named in these rooms at all.
const BANNED: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "tokio",
            "sqlx",
            "rand",
            "reqwest",
            "temporalio-client",
            "lambda_http",
        ],
    ),
    (
        "contract",
        &[
            "tokio",
            "sqlx",
            "rand",
            "reqwest",
            "temporalio-client",
            "lambda_http",
        ],
    ),
    (
        "workflows",
        &[
            "tokio",
            "sqlx",
            "rand",
            "reqwest",
            "temporalio-client",
            "temporalio-sdk",
            "lambda_http",
        ],
    ),
    ("order-client", &["sqlx", "lambda_http", "axum"]),
    ("store", &["temporalio-client", "lambda_http", "axum"]),
    (
        "payment-webhooks",
        &[
            "tokio",
            "sqlx",
            "rand",
            "reqwest",
            "temporalio-client",
            "lambda_http",
            "axum",
            "http",
        ],
    ),
    ("worker", &["sqlx", "lambda_http"]),
    ("start", &["sqlx", "tonic"]),
    ("signal", &["sqlx", "tonic"]),
    ("webhook", &["sqlx", "tonic"]),
    ("query", &["sqlx", "tonic"]),
    ("events", &["sqlx", "tonic"]),
    ("web", &["sqlx", "tonic", "serde_json"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| {
        let name = value["name"].as_str().unwrap();
        name.strip_prefix("orderflow-").unwrap_or(name).to_owned()
    };
    let ordinary = |dependency: &&Value| dependency["kind"] != "dev";
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            (
                name(package),
                package["dependencies"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(ordinary)
                    .map(name)
                    .collect(),
            )
        })
        .collect()
}

#[test]
fn crates_use_only_allowed_dependencies() {
    let rooms = dependencies();
    let ours: BTreeSet<_> = rooms.keys().cloned().collect();
    for (room, allowed) in DOORS {
        for door in rooms[*room].intersection(&ours) {
            assert!(
                allowed.contains(&door.as_str()),
                "{room} must not depend on {door}"
            );
        }
    }
    for (room, banned) in BANNED {
        for dependency in *banned {
            assert!(
                !rooms[*room].contains(*dependency),
                "{room} must not depend on {dependency}"
            );
        }
    }
}
