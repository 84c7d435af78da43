//! `verify`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::{
    args::Output,
    output::{bad, good, print, print_json},
    target,
};
use store::verify::{Violation, count, violations};

/// Fails when an invariant is broken.
pub(crate) async fn verify(output: Output) -> Result<ExitCode> {
    let pool = target::database().await?;
    let orders = count(&pool).await?;
    let found = violations(&pool).await?;
    if output.json {
        let document =
            |Violation { rule, subject }: &Violation| json!({"rule": rule, "subject": subject});
        let violations: Vec<_> = found.iter().map(document).collect();
        print_json(&json!({"ok": found.is_empty(), "orders": orders, "violations": violations}))?;
    } else if found.is_empty() {
        print(&format!(
            "{}  every invariant holds, of {orders} orders, their stock and the simulators' books",
            good("ok")
        ))?;
    } else {
        for Violation { rule, subject } in &found {
            print(&format!("{}  {subject}: {rule}", bad("BROKEN")))?;
        }
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "error: {} broken; see each order with `orderflow events ID` and `orderflow history ID`",
        found.len()
    );
    Ok(ExitCode::FAILURE)
}
