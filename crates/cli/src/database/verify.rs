//! `verify`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::{
    output::{OutputArguments, paint_failure, paint_ok, print, print_json},
    target,
};
use store::verify::{Violation, count_orders, find_violations};

/// Checks all invariants. The exit code is 1 if one is violated.
pub(crate) async fn verify_invariants(output: OutputArguments) -> Result<ExitCode> {
    let pool = target::open_database().await?;
    let orders = count_orders(&pool).await?;
    let found = find_violations(&pool).await?;
    if output.json {
        let document =
            |Violation { rule, subject }: &Violation| json!({"rule": rule, "subject": subject});
        let violations: Vec<_> = found.iter().map(document).collect();
        print_json(&json!({"ok": found.is_empty(), "orders": orders, "violations": violations}))?;
    } else if found.is_empty() {
        print(&format!(
            "{}  {orders} orders, their stock and the simulators' records are consistent",
            paint_ok("ok")
        ))?;
    } else {
        for Violation { rule, subject } in &found {
            print(&format!("{}  {subject}: {rule}", paint_failure("BROKEN")))?;
        }
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "error: {} violations; see each order with `orderflow events ID` and `orderflow history ID`",
        found.len()
    );
    Ok(ExitCode::FAILURE)
}
