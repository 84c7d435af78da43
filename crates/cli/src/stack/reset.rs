//! `down`, `restart` and `reset`.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail};

use devstack::{Project, control};

/// Stops the stack.
pub(crate) async fn stop_stack() -> Result<()> {
    let project = Project::from_current_folder()?;
    if !project.is_running()? {
        eprintln!("nothing is running");
        return Ok(());
    }
    control::request_shutdown(&project).await?;
    eprintln!("everything is stopped");
    Ok(())
}

/// Restarts one service, `app`, or everything.
pub(crate) async fn restart_services(service: Option<String>) -> Result<()> {
    let project = Project::from_current_folder()?;
    project.read_state()?;
    control::request_restart(&project, service.clone()).await?;
    eprintln!("{} restarted", service.as_deref().unwrap_or("everything"));
    Ok(())
}

/// Stops the stack and removes its data.
pub(crate) async fn reset_stack(yes: bool) -> Result<()> {
    let project = Project::from_current_folder()?;
    if !yes && !confirmed(&project)? {
        bail!("nothing was removed");
    }
    if project.is_running()? {
        control::request_shutdown(&project).await?;
    }
    project.remove_data()?;
    eprintln!("stopped, and all local data removed");
    Ok(())
}

fn confirmed(project: &Project) -> Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("this removes all local data; confirm with --yes");
    }
    eprint!(
        "remove all local data of {}? [y/N] ",
        project.folder().display()
    );
    std::io::stderr().flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
