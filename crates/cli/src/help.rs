//! The help page of the program: its commands in groups, which clap itself does not have.

use clap::{Command, CommandFactory, builder::Styles};

use crate::args::Arguments;

/// Every visible command except `help`, in the order of the help page and of `docs/cli.md`.
pub(crate) const GROUPS: [(&str, &[&str]); 8] = [
    (
        "Local stack",
        &[
            "up", "down", "restart", "ps", "logs", "env", "reset", "temporal", "demo",
        ],
    ),
    (
        "Orders",
        &[
            "start-order",
            "status",
            "show",
            "events",
            "result",
            "list",
            "approve",
            "reject",
            "cancel",
            "update-address",
            "confirm-delivery",
            "signals",
        ],
    ),
    ("Money", &["money", "confirm-payment", "cancel-payment"]),
    ("Payment providers", &["webhook", "webhooks"]),
    (
        "Database",
        &[
            "db", "stock", "verify", "recover", "migrate", "purge", "backup",
        ],
    ),
    ("AWS", &["snapshot"]),
    (
        "Diagnosis and tests",
        &[
            "check",
            "describe",
            "history",
            "test-workflow",
            "load",
            "chaos",
            "bench",
        ],
    ),
    ("Setup", &["api-key", "completions"]),
];

/// Returns the definition of the program, with its commands in groups on the help page.
pub(crate) fn program() -> Command {
    let mut program = Arguments::command();
    let commands = format_groups(&program);
    program = program.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}{}\n{{options}}{{after-help}}",
        format_heading("Options")
    ));
    program
}

fn format_groups(program: &Command) -> String {
    let names = GROUPS.iter().flat_map(|(_, names)| *names);
    let width = names.map(|name| name.len()).max().unwrap_or_default();
    let style = Styles::styled();
    let literal = style.get_literal();
    let mut groups = String::new();
    for (title, names) in GROUPS {
        groups.push_str(&format!("{}\n", format_heading(title)));
        for name in names {
            let summary = program
                .find_subcommand(name)
                .map(format_summary)
                .unwrap_or_default();
            groups.push_str(&format!("  {literal}{name:width$}{literal:#}  {summary}\n"));
        }
        groups.push('\n');
    }
    groups
}

fn format_heading(title: &str) -> String {
    let styles = Styles::styled();
    let header = styles.get_header();
    format!("{header}{title}:{header:#}")
}

fn format_summary(command: &Command) -> String {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let aliases: Vec<_> = command.get_visible_aliases().collect();
    if aliases.is_empty() {
        about
    } else {
        format!("{about} [alias: {}]", aliases.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_visible_command_is_in_one_group() {
        let grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        let program = Arguments::command();
        let visible = program
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(Command::get_name);
        assert_eq!(
            visible.collect::<BTreeSet<_>>(),
            grouped.iter().copied().collect()
        );
        assert_eq!(
            grouped.len(),
            grouped.iter().collect::<BTreeSet<_>>().len(),
            "a command is in two groups"
        );
    }
}
