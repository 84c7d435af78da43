//! `ps`.

use anyhow::Result;
use devstack::{Project, control};

/// Shows what runs, also where nothing does.
pub(crate) async fn ps(json: bool) -> Result<()> {
    let project = Project::here()?;
    let services = if project.is_running()? { control::status(&project).await? } else { devstack::stopped() };
    if json {
        println!("{}", serde_json::to_string_pretty(&services)?);
        return Ok(());
    }
    println!("{:<10} {:<9} {:>8}  URL", "SERVICE", "STATE", "PID");
    for service in services {
        let pid = service.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        println!("{:<10} {:<9} {pid:>8}  {}", service.service, service.state, service.url);
        if let Some(url) = service.metrics {
            println!("{:<31}metrics at {url}", "");
        }
        if let Some(folder) = service.data {
            println!("{:<31}data in {}", "", folder.display());
        }
    }
    Ok(())
}
