//! `up`, in the foreground or as a supervisor of its own.

use std::{ffi::OsString, future::pending, time::Duration};

use anyhow::{Result, bail};
use devstack::{Launcher, Port, Progress, Project, StackOptions, State};
use tokio::time::sleep;

use crate::{
    args::{StackArguments, Up},
    output::{print, print_json},
};

/// Starts the stack, unless it runs already.
pub(crate) async fn up(arguments: Up) -> Result<()> {
    let (project, json) = (Project::here()?, arguments.output.json);
    if project.is_running()? {
        let state = wait_until_ready(&project).await?;
        return show("the stack is running already", &state, json);
    }
    let progress = Progress::stderr();
    if arguments.detach {
        let state = devstack::launch(&project, supervisor(&arguments.stack), &progress).await?;
        return show("the stack is ready; stop it with `orderflow down`", &state, json);
    }
    let options = options(&arguments.stack, project.clone())?;
    devstack::supervise(&project, options, &progress, pending(), |state| {
        // A closed standard output is no reason to stop.
        let _ = show("the stack is ready; stop it with Ctrl-C", state, json);
    })
    .await
}

/// The hidden command that `up --detach` runs in the background.
pub(crate) async fn supervise(arguments: StackArguments) -> Result<()> {
    let project = Project::here()?;
    let progress = Launcher.progress();
    let end = match options(&arguments, project.clone()) {
        Ok(options) => {
            let ready = |_: &State| Launcher.ready();
            devstack::supervise(&project, options, &progress, Launcher.gone(), ready).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &end {
        Launcher.failed(&format!("{error:#}"));
    }
    end
}

fn options(arguments: &StackArguments, project: Project) -> Result<StackOptions> {
    Ok(StackOptions {
        profile: arguments.profile.clone(),
        http_port: Port::Fixed(arguments.http_port),
        temporal_port: Port::Fixed(arguments.temporal_port),
        ui_port: Port::Fixed(arguments.ui_port),
        metrics_port: arguments.metrics_port.map_or(Port::Prefer(9464), Port::Fixed),
        postgres_port: arguments.postgres_port.map_or(Port::Free, Port::Fixed),
        mail_port: Some(arguments.mail_port.map_or(Port::Prefer(8025), Port::Fixed)),
        ..StackOptions::of_project(project)?
    })
}

fn supervisor(arguments: &StackArguments) -> Vec<OsString> {
    let mut command: Vec<OsString> = vec!["supervise".into()];
    let mut set = |flag: &str, value: String| command.extend([flag.into(), value.into()]);
    set("--http-port", arguments.http_port.to_string());
    set("--temporal-port", arguments.temporal_port.to_string());
    set("--ui-port", arguments.ui_port.to_string());
    if let Some(port) = arguments.metrics_port {
        set("--metrics-port", port.to_string());
    }
    if let Some(port) = arguments.postgres_port {
        set("--postgres-port", port.to_string());
    }
    if let Some(port) = arguments.mail_port {
        set("--mail-port", port.to_string());
    }
    if let Some(profile) = &arguments.profile {
        set("--profile", profile.clone());
    }
    command
}

async fn wait_until_ready(project: &Project) -> Result<State> {
    loop {
        if let Ok(state) = project.state() {
            return Ok(state);
        }
        if !project.is_running()? {
            bail!("the stack that was starting has ended; see `orderflow logs`");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn show(headline: &str, state: &State, json: bool) -> Result<()> {
    let addresses = &state.addresses;
    if json {
        return print_json(addresses);
    }
    let lines = [
        Some(headline.to_owned()),
        Some(format!("  API       {}", addresses.http_url)),
        Some(format!("  Temporal  {} (API {})", addresses.ui_url, addresses.temporal_address)),
        Some(format!("  Database  {}", addresses.database_url)),
        addresses.mail_url.as_ref().map(|url| format!("  Mail      {url}")),
        Some(format!("  Metrics   {}/metrics and {}/metrics", addresses.metrics_url, addresses.worker_health_url)),
    ];
    print(&lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}
