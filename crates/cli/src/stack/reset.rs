//! `down`, `restart` and `reset`.

use anyhow::Result;

use crate::confirmation::require_confirmation;
use devstack::{Project, control};

/// Stops the stack and keeps its data.
pub(crate) async fn stop_stack() -> Result<()> {
    let project = Project::from_current_folder()?;
    if !project.is_running()? {
        eprintln!("the stack is not running");
        return Ok(());
    }
    control::request_shutdown(&project).await?;
    eprintln!("the stack is stopped");
    Ok(())
}

/// Restarts one service, `app` or all services.
pub(crate) async fn restart_services(service: Option<String>) -> Result<()> {
    let project = Project::from_current_folder()?;
    project.read_state()?;
    control::request_restart(&project, service.clone()).await?;
    eprintln!("restarted {}", service.as_deref().unwrap_or("all services"));
    Ok(())
}

/// Stops the stack and deletes its data.
pub(crate) async fn reset_stack(yes: bool) -> Result<()> {
    let project = Project::from_current_folder()?;
    if !yes {
        let question = format!("delete all local data in {}?", project.folder().display());
        require_confirmation("reset", "deletes all local data", &question)?;
    }
    if project.is_running()? {
        control::request_shutdown(&project).await?;
    }
    project.remove_data()?;
    eprintln!("the stack is stopped and its data is deleted");
    Ok(())
}
