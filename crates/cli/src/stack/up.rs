//! `up`, in the foreground or with a supervisor in the background.

use std::{ffi::OsString, future::pending, time::Duration};

use anyhow::{Result, bail};
use reqwest::Url;
use tokio::time::sleep;

use crate::{
    output::{print, print_json},
    stack::arguments::{StackArguments, Up},
};
use devstack::{Launcher, Port, Progress, Project, StackOptions, StackState};
use domain::Profile;

/// Default ports, the usual ones of these services.
const HTTP: u16 = 8000;
const TEMPORAL: u16 = 7233;
const UI: u16 = 8233;

/// Starts the stack unless it is running.
pub(crate) async fn start_stack(arguments: Up) -> Result<()> {
    let (project, json) = (Project::from_current_folder()?, arguments.output.json);
    if project.is_running()? {
        let state = wait_until_ready(&project).await?;
        let ignored = ignored_options(&arguments.stack, &state);
        if !ignored.is_empty() {
            eprintln!(
                "ignored, since the stack is running: {}; stop it first with `orderflow down`",
                ignored.join(", ")
            );
        }
        return print_addresses("the stack is already running", &state, json);
    }
    let progress = Progress::stderr();
    if arguments.detach {
        let state =
            devstack::launch_supervisor(&project, supervisor_command(&arguments.stack), &progress)
                .await?;
        return print_addresses(
            "the stack is ready; stop it with `orderflow down`",
            &state,
            json,
        );
    }
    let options = stack_options(&arguments.stack, project.clone())?;
    devstack::run_supervisor(&project, options, &progress, pending(), |state| {
        // The stack continues if standard output is closed.
        let _ = print_addresses("the stack is ready; stop it with Ctrl-C", state, json);
    })
    .await
}

/// Runs the supervisor that `up --detach` starts in the background.
pub(crate) async fn supervise_stack(arguments: StackArguments) -> Result<()> {
    let project = Project::from_current_folder()?;
    let progress = Launcher.progress();
    let end = match stack_options(&arguments, project.clone()) {
        Ok(options) => {
            let ready = |_: &StackState| Launcher.report_ready();
            devstack::run_supervisor(
                &project,
                options,
                &progress,
                Launcher.wait_for_exit(),
                ready,
            )
            .await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &end {
        Launcher.report_failure(&format!("{error:#}"));
    }
    end
}

fn stack_options(arguments: &StackArguments, project: Project) -> Result<StackOptions> {
    Ok(StackOptions {
        profile: arguments.profile.map(|profile| profile.to_string()),
        http_port: Port::Fixed(arguments.http_port.unwrap_or(HTTP)),
        temporal_port: Port::Fixed(arguments.temporal_port.unwrap_or(TEMPORAL)),
        ui_port: Port::Fixed(arguments.ui_port.unwrap_or(UI)),
        metrics_port: arguments
            .metrics_port
            .map_or(Port::Prefer(9464), Port::Fixed),
        postgres_port: arguments.postgres_port.map_or(Port::Free, Port::Fixed),
        mail_port: Some(arguments.mail_port.map_or(Port::Prefer(8025), Port::Fixed)),
        worker: !arguments.no_worker,
        ..StackOptions::for_project(project)?
    })
}

fn supervisor_command(arguments: &StackArguments) -> Vec<OsString> {
    let mut command: Vec<OsString> = vec!["supervise".into()];
    for (flag, port) in ports(arguments) {
        if let Some(port) = port {
            command.extend([flag.into(), port.to_string().into()]);
        }
    }
    if let Some(profile) = arguments.profile {
        command.extend(["--profile".into(), profile.as_str().into()]);
    }
    if arguments.no_worker {
        command.push("--no-worker".into());
    }
    command
}

fn ports(arguments: &StackArguments) -> [(&'static str, Option<u16>); 6] {
    [
        ("--http-port", arguments.http_port),
        ("--temporal-port", arguments.temporal_port),
        ("--ui-port", arguments.ui_port),
        ("--metrics-port", arguments.metrics_port),
        ("--postgres-port", arguments.postgres_port),
        ("--mail-port", arguments.mail_port),
    ]
}

/// Returns the options that differ from the running stack, with its values.
fn ignored_options(arguments: &StackArguments, state: &StackState) -> Vec<String> {
    let addresses = &state.addresses;
    let temporal = format!("http://{}", addresses.temporal_address);
    let running_urls = [
        Some(&addresses.http_url),
        Some(&temporal),
        Some(&addresses.ui_url),
        Some(&addresses.metrics_url),
        Some(&addresses.database_url),
        addresses.mail_url.as_ref(),
    ];
    let port = |url: &String| url.parse::<Url>().ok()?.port();
    let mut ignored = Vec::new();
    for ((flag, requested), url) in ports(arguments).into_iter().zip(running_urls) {
        let port = url.and_then(port);
        if let Some(requested) = requested.filter(|requested| Some(*requested) != port) {
            let current = port.map_or_else(
                || "it has none".to_owned(),
                |port| format!("it uses {port}"),
            );
            ignored.push(format!("{flag} {requested} ({current})"));
        }
    }
    let profile = state
        .settings
        .iter()
        .find(|(name, _)| name == "ORDER_PROFILE")
        .map(|(_, value)| value.as_str());
    if let Some(requested) = arguments
        .profile
        .map(Profile::as_str)
        .filter(|requested| Some(*requested) != profile)
    {
        ignored.push(format!(
            "--profile {requested} (it uses {})",
            profile.unwrap_or("another profile")
        ));
    }
    if arguments.no_worker && addresses.worker_health_url.is_some() {
        ignored.push("--no-worker (it has a worker)".to_owned());
    }
    ignored
}

async fn wait_until_ready(project: &Project) -> Result<StackState> {
    loop {
        if let Ok(state) = project.read_state() {
            return Ok(state);
        }
        if !project.is_running()? {
            bail!("stack: it stopped while it was starting; see `orderflow logs`");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn print_addresses(headline: &str, state: &StackState, json: bool) -> Result<()> {
    let addresses = &state.addresses;
    let metrics: Vec<_> = [
        Some(&addresses.metrics_url),
        addresses.worker_health_url.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(|url| format!("{url}/metrics"))
    .collect();
    if json {
        return print_json(addresses);
    }
    let lines = [
        Some(headline.to_owned()),
        Some(format!("  API       {}", addresses.http_url)),
        Some(format!(
            "  Temporal  {} (API {})",
            addresses.ui_url, addresses.temporal_address
        )),
        Some(format!("  Database  {}", addresses.database_url)),
        addresses
            .mail_url
            .as_ref()
            .map(|url| format!("  Mail      {url}")),
        Some(format!("  Metrics   {}", metrics.join(" and "))),
    ];
    print(&lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}
