//! `recover`: starts the search for lost workflows, and waits.

use anyhow::{Result, anyhow};

use super::arguments::Recover;
use crate::{
    output::{format_table, print, print_json},
    target,
};
use workflows::activity::{LostOrder, RecoveryInput};

pub(super) async fn recover_orders(arguments: Recover) -> Result<()> {
    let Recover {
        idle_for,
        all,
        output,
    } = arguments;
    let report = target::connect_orders()?
        .recover_orders(&RecoveryInput { idle_for, all })
        .await
        .map_err(|error| anyhow!("{error}; run `orderflow check`"))?;
    if output.json {
        return print_json(&report);
    }
    print(&format!(
        "{} open orders checked: {} recovered, {} need an operator",
        report.checked,
        report.recovered.len(),
        report.withheld.len()
    ))?;
    if report.recovered.is_empty() && report.withheld.is_empty() {
        return Ok(());
    }
    let row = |order: &LostOrder, result: &str| {
        vec![
            order.order_id.to_string(),
            order.cause.to_string(),
            result.to_owned(),
        ]
    };
    let recovered = report.recovered.iter().map(|order| row(order, "recovered"));
    let withheld = report
        .withheld
        .iter()
        .map(|order| row(order, "needs an operator"));
    let rows: Vec<_> = recovered.chain(withheld).collect();
    print(&format_table(&["ORDER", "WORKFLOW", "RESULT"], &rows))
}
