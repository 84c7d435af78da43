//! The help page of the program: its commands in groups, which clap itself does not have.

use clap::{Command, CommandFactory, builder::Styles};

use crate::args::Arguments;

/// Every visible command except `help`, in the order of the help page and of `docs/cli.md`.
pub(crate) const GROUPS: [(&str, &[&str]); 9] = [
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
            "find",
            "stats",
            "approve",
            "reject",
            "cancel",
            "hold",
            "release",
            "update",
            "update-items",
            "update-address",
            "confirm-delivery",
            "signals",
        ],
    ),
    (
        "Money",
        &[
            "money",
            "confirm-payment",
            "cancel-payment",
            "refund",
            "return",
        ],
    ),
    ("Payment providers", &["webhook", "webhooks"]),
    ("Other systems", &["endpoints", "listen"]),
    (
        "Database",
        &[
            "db", "stock", "verify", "recover", "migrate", "purge", "customer", "backup",
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
    ("Setup", &["api-key", "quote", "completions"]),
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

    /// Splits the first command of a shell text into words: up to the end of the line, outside of quotes.
    fn split_words(text: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match (quote, character) {
                (Some(open), close) if open == close => quote = None,
                (None, '\'' | '"') => {
                    word.get_or_insert_default();
                    quote = Some(character);
                }
                (None | Some('"'), '\\') => match characters.next() {
                    Some('\n') | None => {}
                    Some(escaped) => word.get_or_insert_default().push(escaped),
                },
                (None, '\n' | '|' | '>' | ';' | ')') => break,
                (None, '#') if word.is_none() => break,
                (None, ' ') => words.extend(word.take()),
                _ => word.get_or_insert_default().push(character),
            }
        }
        assert_eq!(quote, None, "an unclosed quote: {text}");
        words.extend(word);
        words
    }

    /// Returns the arguments of each `orderflow` call in the code blocks of a page.
    fn list_calls(page: &str) -> Vec<Vec<String>> {
        let mut calls = Vec::new();
        for block in page.split("```").skip(1).step_by(2) {
            let (language, mut rest) = block.split_once('\n').unwrap();
            if !["sh", "console"].contains(&language) {
                continue;
            }
            while !rest.is_empty() {
                let line = rest.trim_start_matches([' ', '$']);
                let mut words = split_words(line.split_once('\n').map_or(line, |(first, _)| {
                    if first.contains("orderflow") || first.contains("operate.sh") {
                        line
                    } else {
                        ""
                    }
                }));
                if words.first().is_some_and(|word| word.contains('=')) {
                    words.remove(0);
                }
                let skipped = match words.first().map(String::as_str) {
                    Some("orderflow") => 1,
                    Some("infrastructure/operate.sh") if words[1] == "--timeout" => 4,
                    Some("infrastructure/operate.sh") => 2,
                    _ => words.len(),
                };
                if skipped < words.len() {
                    calls.push(words.split_off(skipped));
                }
                rest = rest.split_once('\n').map_or("", |(_, next)| next);
            }
        }
        calls
    }

    #[test]
    fn commands_of_the_operators_pages_parse() {
        let mut count = 0;
        for name in ["deploy", "runbook", "continuous-deployment"] {
            let path = format!("{}/../../docs/{name}.md", env!("CARGO_MANIFEST_DIR"));
            let page = std::fs::read_to_string(path).unwrap();
            for call in list_calls(&page) {
                let words = std::iter::once("orderflow".to_owned()).chain(call.clone());
                let parsed = program().try_get_matches_from(words);
                let problem = parsed.err().filter(|error| error.use_stderr());
                assert!(problem.is_none(), "{name}.md: {call:?}: {problem:?}");
                count += 1;
            }
            // A command in a sentence can lack its arguments.
            for mention in page.split("`orderflow ").skip(1) {
                let mention = mention.split('`').next().unwrap().replace('…', "");
                let words = split_words(&mention.replace('\n', " "));
                let first = words.iter().take_while(|word| !word.starts_with('-'));
                let program = Arguments::command();
                let mut command = &program;
                for word in first {
                    match command.find_subcommand(word) {
                        Some(found) => command = found,
                        None => assert!(!command.has_subcommands(), "{name}.md: {mention}"),
                    }
                }
            }
        }
        assert!(count > 15, "{count}");
    }
}
