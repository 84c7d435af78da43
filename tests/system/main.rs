//! The system tests: real PostgreSQL, real Temporal, real HTTP and the real programs.
//!
//! All tests are one binary, because linking takes most of the time; `cargo test -p
//! orderflow-system-tests integration` selects a part. Each test has its own [`harness::Harness`]
//! (database, task queues, worker and API processes) on servers that all tests share.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

mod api;
mod attention;
mod auth;
mod bounded_history;
mod budget;
mod carriers;
mod cli;
mod compatibility;
mod compose;
mod dependency_rules;
mod documentation;
mod e2e;
mod endpoints;
mod fault_injection;
mod faults;
mod harness;
mod health;
mod iam;
mod idempotency;
mod integration;
mod mail;
mod metrics;
mod order_lists;
mod order_sequences;
mod payments;
mod purge;
mod queries;
mod recovery;
mod refunds;
mod regressions;
mod replay;
mod returns;
mod routes;
mod schema;
mod schema_update;
mod settings_source;
mod settlements;
mod shared_servers;
mod shipping_races;
mod status_report;
mod stock;
mod stripe;
mod time_skipping;
mod tls;
mod traces;
mod upgrade;
mod versions;
mod webhooks;
mod write_path;
