//! `ps`.

use anyhow::Result;

use crate::output::print;
use devstack::{Project, ServiceStatus, control};

/// Lists the services with their states, also when no stack is running.
pub(crate) async fn show_services(json: bool) -> Result<()> {
    let project = Project::from_current_folder()?;
    let services = if project.is_running()? {
        control::request_status(&project).await?
    } else {
        devstack::stopped_services()
    };
    if json {
        return print(&serde_json::to_string_pretty(&services)?);
    }
    let head = format!("{:<10} {:<9} {:>8}  URL", "SERVICE", "STATE", "PID");
    let lines = services.iter().flat_map(format_service);
    print(
        &[head]
            .into_iter()
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

/// Formats a service, with its other addresses and its folder on the lines below.
fn format_service(status: &ServiceStatus) -> Vec<String> {
    let ServiceStatus {
        service,
        pid,
        state,
        url,
        ui,
        metrics,
        data,
    } = status;
    let pid = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let first = format!("{service:<10} {state:<9} {pid:>8}  {url}")
        .trim_end()
        .to_owned();
    let more = [
        ui.as_ref().map(|url| format!("UI at {url}")),
        metrics.as_ref().map(|url| format!("metrics at {url}")),
        data.as_ref()
            .map(|folder| format!("data in {}", folder.display())),
    ];
    [first]
        .into_iter()
        .chain(
            more.into_iter()
                .flatten()
                .map(|line| format!("{:<31}{line}", "")),
        )
        .collect()
}
