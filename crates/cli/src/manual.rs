//! `docs/cli.md`, from what clap knows: a test holds the two together.

use anyhow::Result;
use clap::{Command, CommandFactory};

use crate::{args::Arguments, output::print};

pub(crate) fn manual() -> Result<()> {
    let mut program = Arguments::command();
    program.build();
    let mut page = String::from(
        "# Command line\n\n\
         <!-- Written by `cargo orderflow manual`; change the commands, not this page. -->\n\n\
         One program, `orderflow` (`cargo orderflow` in this repository). Every command takes `--help`, and `--json` where it\n\
         prints data. Exit codes: 0 done, 1 failed, 2 usage. Errors are one line on standard error and say what to do next.\n\
         Colour reaches a terminal only, and none where `NO_COLOR` is set. Settings are environment variables, also from\n\
         `.env` in the working folder: [settings.md](settings.md). Where a command takes an order's id, a workflow's will do.\n\n\
         | command | what it does |\n|---|---|\n",
    );
    each(&program, &mut |command, path| {
        let anchor = path.replace(' ', "-");
        page.push_str(&format!(
            "| [`{path}`](#orderflow-{anchor}) | {} |\n",
            about(command)
        ));
    });
    each(&program, &mut |command, path| {
        page.push_str(&section(command, path))
    });
    print(page.trim_end())
}

/// Calls `see` with every command that can be typed, and its words.
fn each(program: &Command, see: &mut impl FnMut(&Command, &str)) {
    for command in program
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        let children: Vec<_> = command
            .get_subcommands()
            .filter(|child| child.get_name() != "help")
            .collect();
        if children.is_empty() || !command.is_subcommand_required_set() {
            see(command, command.get_name());
        }
        for child in children {
            see(
                child,
                &format!("{} {}", command.get_name(), child.get_name()),
            );
        }
    }
}

fn section(command: &Command, path: &str) -> String {
    let mut section = format!(
        "\n## orderflow {path}\n\n{}.",
        about(command).trim_end_matches('.')
    );
    let aliases: Vec<_> = command
        .get_visible_aliases()
        .map(|alias| format!("`{alias}`"))
        .collect();
    if !aliases.is_empty() {
        section.push_str(&format!(" Also {}.", aliases.join(", ")));
    }
    section.push_str("\n\n");
    let usage = command.clone().render_usage().to_string();
    section.push_str(&format!(
        "```sh\n{}\n```\n",
        usage.trim_start_matches("Usage: ")
    ));
    let options = command
        .get_arguments()
        .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"));
    let lines: Vec<_> = options.map(option).collect();
    if !lines.is_empty() {
        section.push_str(&format!("\n| | |\n|---|---|\n{}", lines.concat()));
    }
    if let Some(help) = command.get_after_help() {
        let help = help.to_string();
        let (title, examples) = help.split_once('\n').unwrap_or(("", &help));
        let examples: Vec<_> = examples.lines().map(str::trim).collect();
        section.push_str(&format!(
            "\n{title}\n\n```sh\n{}\n```\n",
            examples.join("\n")
        ));
    }
    section
}

fn option(argument: &clap::Arg) -> String {
    let value = argument
        .get_value_names()
        .and_then(<[_]>::first)
        .map(|name| name.as_str())
        .unwrap_or_default();
    let takes_value = argument.get_action().takes_values();
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}"),
        (Some(long), None) => format!("--{long}"),
        (None, _) => value.to_owned(),
    };
    let value = if takes_value && argument.get_long().is_some() {
        format!(" {value}")
    } else {
        String::new()
    };
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let defaults = if defaults.is_empty() || !takes_value {
        String::new()
    } else {
        format!(" [default: {}]", defaults.join(" "))
    };
    let names: Vec<_> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let names = if names.is_empty() {
        String::new()
    } else {
        format!("; one of {}", names.join(", "))
    };
    let help = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!(
        "| `{name}{value}` | {}{names}{defaults} |\n",
        help.trim_end_matches('.')
    )
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}
