//! The plain design: a workflow that runs 13 activities, a child workflow and a timer.
//!
//! It is the pipeline that `orderflow` also has, written as most guides write it: each step is a
//! regular activity with one small statement. It has no compensation, no idempotent requests, no
//! audit log that matches the row, and no answers to callers, so it is a lower bound of the work.

use serde::{Deserialize, Serialize};

/// The type of the workflow.
pub const WORKFLOW: &str = "PlainOrder";

/// The type of the child workflow.
pub const SHIPPING_WORKFLOW: &str = "PlainShipping";

/// The task queue of both.
pub const TASK_QUEUE: &str = "plain";

/// The tables. They have the columns that the statements need.
pub const SCHEMA: &str = "
create table orders (id text primary key, status text not null, customer text not null,
    amount_cents bigint not null, updated_at timestamptz not null default now());
create table order_events (order_id text not null, seq int not null, kind text not null,
    at timestamptz not null default now(), data jsonb not null default '{}', primary key (order_id, seq));
create table payments (order_id text primary key, idempotency_key text unique not null,
    status text not null, amount_cents bigint not null, attempts int not null default 1);
create table shipments (order_id text primary key, status text not null,
    updated_at timestamptz not null default now());
create table inventory (sku text primary key, on_hand bigint not null check (on_hand >= 0));
";

/// The input of the workflow and of each activity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlainOrder {
    pub id: String,
    pub customer: String,
    pub sku: String,
    pub amount_cents: i64,
    /// The wait between dispatch and delivery, in milliseconds.
    pub delivery_ms: u64,
}

/// Returns the id of an order's workflow.
#[must_use]
pub fn workflow_id(order_id: &str) -> String {
    format!("plain-{order_id}")
}
