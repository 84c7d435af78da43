//! The pages that the table makes: the tables of `docs/settings.md`, and `.env.example`.

use std::fmt::Write;

use crate::{ALL, Program, Section, Setting};

const BEGIN: &str = "<!-- settings: ";
const END: &str = "<!-- end of settings -->";

/// The number of characters that a table's cell may have.
pub const LONGEST_CELL: usize = 80;

/// The width at which text is wrapped, in characters.
const WIDTH: usize = 100;

/// Returns `page` with the text between each pair of markers replaced by a list of that section.
///
/// # Errors
///
/// Fails if a section has no markers, or a marker names no section.
pub fn fill_page(page: &str) -> Result<String, String> {
    let mut parts = page.split(BEGIN);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for part in parts {
        let (name, rest) = part
            .split_once(" -->")
            .ok_or_else(|| format!("{BEGIN}: the marker does not end with -->"))?;
        let (_, rest) = rest
            .split_once(END)
            .ok_or_else(|| format!("{BEGIN}{name}: the list does not end with {END}"))?;
        let list = match name {
            "local stack" => list_local_values(),
            _ => {
                let section = Section::ALL
                    .into_iter()
                    .find(|section| section.title() == name)
                    .ok_or_else(|| format!("{BEGIN}{name}: there is no such section"))?;
                found.push(section);
                list_section(section)
            }
        };
        filled += &format!("{BEGIN}{name} -->\n\n{list}\n{END}{rest}");
    }
    match Section::ALL
        .into_iter()
        .find(|section| !found.contains(section))
    {
        Some(missing) => Err(format!(
            "{}: the page has no markers for it",
            missing.title()
        )),
        None => Ok(filled),
    }
}

fn in_section(section: Section) -> impl Iterator<Item = &'static Setting> {
    ALL.iter()
        .copied()
        .filter(move |setting| setting.section() == section)
}

fn list_section(section: Section) -> String {
    let mut text = list_readers(section);
    text += "\n| Variable | Default | Allowed values | Meaning |\n|---|---|---|---|\n";
    for setting in in_section(section) {
        let allowed = setting.allowed().to_string().replace('|', "\\|");
        let cells = [
            format!("`{}`", setting.name()),
            describe_default(setting),
            code_with_signs(&allowed),
            setting.description().to_owned(),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// Formats URLs and mail addresses as code, because Markdown would read them as links.
fn code_with_signs(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches(',');
        if bare.contains("://") || bare.contains('<') {
            format!("`{bare}`{}", &word[bare.len()..])
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn describe_default(setting: &Setting) -> String {
    if !setting.default.is_empty() {
        format!("`{}`", setting.default)
    } else if !setting.default_note.is_empty() {
        setting.default_note.to_owned()
    } else {
        "none".to_owned()
    }
}

/// Returns one sentence for each group of settings with the same readers.
fn list_readers(section: Section) -> String {
    let mut groups: Vec<(&[Program], Vec<&str>)> = Vec::new();
    for setting in in_section(section) {
        match groups
            .iter_mut()
            .find(|(readers, _)| *readers == setting.readers())
        {
            Some((_, names)) => names.push(setting.name()),
            None => groups.push((setting.readers(), vec![setting.name()])),
        }
    }
    let mut text = String::new();
    let is_one = groups.len() == 1;
    // The largest group needs no names.
    groups.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    for (index, (readers, names)) in groups.into_iter().enumerate() {
        let readers = describe_readers(readers);
        let sentence = if is_one {
            format!("Read by: {readers}.")
        } else if index == 0 {
            format!("- Read by, unless stated otherwise: {readers}.")
        } else {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("- Read by {readers}: {}.", names.join(", "))
        };
        text += &wrap(&sentence, if is_one { "" } else { "  " });
        text.push('\n');
    }
    text
}

fn describe_readers(readers: &[Program]) -> String {
    let functions = [
        Program::Start,
        Program::Signal,
        Program::Query,
        Program::Events,
        Program::Admin,
        Program::Webhook,
        Program::Web,
    ];
    let has_all = functions.iter().all(|function| readers.contains(function));
    let mut names: Vec<&str> = Vec::new();
    for reader in readers {
        if has_all && functions.contains(reader) {
            if !names.contains(&"all functions") {
                names.push("all functions");
            }
        } else {
            names.push(reader.as_str());
        }
    }
    match names.as_slice() {
        [] => "no program".to_owned(),
        _ => names.join(", "),
    }
}

fn list_local_values() -> String {
    ALL.iter()
        .filter_map(|setting| {
            let local = setting.local_value()?;
            Some(format!("- `{}={local}`\n", setting.name()))
        })
        .collect()
}

/// Returns the text of `.env.example`.
pub fn example_file() -> String {
    let mut text = String::from(
        "# Copy this file to .env. Every program reads .env in its working folder, and docker compose\n\
         # fills compose.yaml from it. The file lists every setting with its default value. Remove the\n\
         # `# ` in front of a line to set it. docs/settings.md describes the allowed values.\n",
    );
    for section in Section::ALL {
        if section == Section::Exported {
            continue;
        }
        let _ = write!(text, "\n## {}\n\n", section.title());
        for setting in in_section(section) {
            let _ = writeln!(text, "# {}", setting.description());
            if setting.default.is_empty() && !setting.default_note.is_empty() {
                let _ = writeln!(text, "# Default: {}.", setting.default_note);
            }
            let _ = writeln!(text, "# {}={}", setting.name(), setting.default);
        }
    }
    text
}

/// Wraps a paragraph at [`WIDTH`] characters and indents all lines but the first.
fn wrap(paragraph: &str, indent: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            text += indent;
            column = indent.len();
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += length;
    }
    text
}
