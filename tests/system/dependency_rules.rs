//! Dependency rules between the workspace crates, as ARCHITECTURE.md lists them.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// The dependencies of one workspace crate. Names of workspace crates have no prefix `orderflow-`.
struct Rule {
    /// Workspace crates that the crate can depend on.
    allowed: &'static [&'static str],
    /// Other crates that the crate must not depend on directly.
    forbidden: &'static [&'static str],
}

/// The workspace crates that every Temporal client function can use.
const FUNCTION: &[&str] = &[
    "contract",
    "domain",
    "http",
    "order-client",
    "settings",
    "telemetry",
    "workflows",
];

/// Crates that a pure library must not use: runtimes, I/O, random numbers and Temporal.
const IMPURE: &[&str] = &[
    "axum",
    "lambda_http",
    "rand",
    "reqwest",
    "sqlx",
    "temporalio-client",
    "temporalio-sdk",
    "tokio",
    "tonic",
];

/// Returns the rule of a workspace crate, or `None` if the crate is not listed.
fn rule(name: &str) -> Option<Rule> {
    let (allowed, forbidden): (&[_], &[_]) = match name {
        "settings" => (&[], IMPURE),
        "domain" => (&["settings"], IMPURE),
        "contract" => (&["domain", "settings"], IMPURE),
        "workflows" => (&["contract", "domain"], IMPURE),
        // Pure verification: a request in, a verdict out.
        "payment-webhooks" => (
            &["domain", "settings"],
            &[
                "axum",
                "http",
                "lambda_http",
                "rand",
                "reqwest",
                "sqlx",
                "temporalio-client",
                "tokio",
            ],
        ),
        // HTTP calls to payment providers, without the database and without Temporal.
        "payment-providers" => (
            &["domain", "settings", "telemetry"],
            &[
                "axum",
                "lambda_http",
                "sqlx",
                "temporalio-client",
                "temporalio-sdk",
                "tonic",
            ],
        ),
        "telemetry" => (
            &["settings"],
            &["axum", "lambda_http", "sqlx", "temporalio-client"],
        ),
        // AWS credentials and signed calls to AWS.
        "aws" => (
            &["domain", "settings"],
            &["axum", "lambda_http", "sqlx", "temporalio-client"],
        ),
        "order-client" => (
            &[
                "aws",
                "contract",
                "domain",
                "settings",
                "telemetry",
                "workflows",
            ],
            &["axum", "lambda_http", "sqlx"],
        ),
        "store" => (
            &["aws", "contract", "domain", "settings"],
            &["axum", "lambda_http", "temporalio-client"],
        ),
        "http" => (
            &[
                "aws",
                "contract",
                "domain",
                "order-client",
                "settings",
                "store",
                "telemetry",
                "workflows",
            ],
            &["sqlx", "temporalio-client"],
        ),
        // Thin Temporal clients without a database.
        "start" | "signal" => (FUNCTION, &["sqlx", "tonic"]),
        "webhook" => (
            &[
                "aws",
                "contract",
                "domain",
                "http",
                "order-client",
                "payment-webhooks",
                "settings",
                "telemetry",
                "workflows",
            ],
            &["sqlx", "tonic"],
        ),
        // These two functions read from the database.
        "query" | "events" => (
            &[
                "contract",
                "domain",
                "http",
                "order-client",
                "settings",
                "store",
                "telemetry",
                "workflows",
            ],
            &["sqlx", "tonic"],
        ),
        // It reads and writes the tables of the shop, and no orders.
        "admin" => (
            &[
                "contract",
                "domain",
                "http",
                "settings",
                "store",
                "telemetry",
            ],
            &["sqlx", "tonic", "temporalio-client"],
        ),
        // It migrates the database, and receives no HTTP requests.
        "migrate" => (
            &["aws", "order-client", "settings", "store", "telemetry"],
            &["lambda_http", "sqlx", "temporalio-client", "tonic"],
        ),
        // Files and the route table only.
        "web" => (
            &["domain", "http", "settings"],
            &["serde_json", "sqlx", "tonic"],
        ),
        // This library describes all functions.
        "openapi" => (
            &[
                "admin", "contract", "domain", "events", "http", "query", "settings", "signal",
                "start", "store",
            ],
            &["sqlx", "temporalio-client", "tokio", "tonic"],
        ),
        "worker" => (
            &[
                "aws",
                "contract",
                "domain",
                "order-client",
                "payment-providers",
                "payment-webhooks",
                "settings",
                "store",
                "telemetry",
                "workflows",
            ],
            &["lambda_http", "sqlx"],
        ),
        // The local stack starts servers and processes, but links none of our programs.
        "devstack" => (
            &["domain", "payment-webhooks", "settings", "store"],
            &["axum", "lambda_http"],
        ),
        // The measuring tool asks Temporal and PostgreSQL for their counters, so it uses both directly.
        "bench" => (
            &[
                "contract",
                "devstack",
                "domain",
                "order-client",
                "settings",
                "store",
                "workflows",
            ],
            &["axum", "lambda_http"],
        ),
        // The command line contains every program and the local stack.
        "cli" => (
            &[
                "admin",
                "aws",
                "bench",
                "contract",
                "devstack",
                "domain",
                "events",
                "http",
                "order-client",
                "payment-webhooks",
                "query",
                "settings",
                "signal",
                "start",
                "store",
                "telemetry",
                "web",
                "webhook",
                "worker",
                "workflows",
            ],
            &["sqlx", "temporalio-client", "temporalio-sdk", "tonic"],
        ),
        // The programs under test. Dev-dependencies have no rule.
        "system-tests" => (
            &[
                "admin", "cli", "events", "http", "migrate", "query", "signal", "start", "web",
                "webhook", "worker",
            ],
            &[],
        ),
        _ => return None,
    };
    Some(Rule { allowed, forbidden })
}

/// The direct dependencies of one crate, without dev-dependencies.
struct Dependencies {
    /// Workspace crates, without the prefix `orderflow-`.
    workspace: BTreeSet<String>,
    external: BTreeSet<String>,
}

/// Returns the dependencies of every workspace member.
fn workspace_members() -> BTreeMap<String, Dependencies> {
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
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let short = |name: &str| name.strip_prefix("orderflow-").unwrap_or(name).to_owned();
    let members: BTreeSet<_> = packages.iter().map(name).collect();
    let dependencies = |package: &Value| {
        let listed = package["dependencies"].as_array().unwrap().iter();
        let names = listed
            .filter(|dependency| dependency["kind"] != "dev")
            .map(name);
        let (workspace, external): (BTreeSet<_>, _) =
            names.partition(|name| members.contains(name));
        Dependencies {
            workspace: workspace.iter().map(|name| short(name)).collect(),
            external,
        }
    };
    packages
        .iter()
        .map(|package| (short(&name(package)), dependencies(package)))
        .collect()
}

#[test]
fn crates_use_only_allowed_dependencies() {
    let members = workspace_members();
    assert!(members.contains_key("domain"), "{:?}", members.keys());
    for (name, dependencies) in &members {
        let rule = rule(name)
            .unwrap_or_else(|| panic!("{name}: no dependency rule; add one to this file"));
        for used in &dependencies.workspace {
            assert!(
                rule.allowed.contains(&used.as_str()),
                "{name} must not depend on {used}"
            );
        }
        for used in &dependencies.external {
            assert!(
                !rule.forbidden.contains(&used.as_str()),
                "{name} must not depend on {used}"
            );
        }
        for allowed in rule.allowed {
            assert!(
                members.contains_key(*allowed),
                "{name}: the rule allows {allowed}, which is not a workspace crate"
            );
        }
    }
}
