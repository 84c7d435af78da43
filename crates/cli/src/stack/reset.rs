//! `down`, `restart` and `reset`.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail};

use devstack::{Project, control};

/// Stops the stack.
pub(crate) async fn down() -> Result<()> {
    let project = Project::here()?;
    if !project.is_running()? {
        eprintln!("nothing is running");
        return Ok(());
    }
    control::down(&project).await?;
    eprintln!("everything is stopped");
    Ok(())
}

/// Restarts one service, `app`, or everything.
pub(crate) async fn restart(service: Option<String>) -> Result<()> {
    let project = Project::here()?;
    project.state()?;
    control::restart(&project, service.clone()).await?;
    eprintln!("{} restarted", service.as_deref().unwrap_or("everything"));
    Ok(())
}

/// Stops the stack and removes its data.
pub(crate) async fn reset(yes: bool) -> Result<()> {
    let project = Project::here()?;
    if !yes && !confirmed(&project)? {
        bail!("nothing was removed");
    }
    if project.is_running()? {
        control::down(&project).await?;
    }
    project.reset()?;
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
