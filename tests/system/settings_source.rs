//! Checks that programs read environment variables through the table of settings only.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The calls that read a variable without the table.
const CALLS: [&str; 5] = [
    "env::var(",
    "env::var_os(",
    "env::vars(",
    "env::vars_os(",
    "option_env!(",
];

/// The files that read other variables, each with its reason.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("crates/devstack/src/folder.rs", "XDG_CACHE_HOME"),
    ("crates/devstack/src/service/postgres.rs", "PG* are removed"),
    ("crates/devstack/src/toolchain/path.rs", "PATH"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns all source files below a folder, without tests.
fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_tests = path
            .file_stem()
            .is_some_and(|name| name == "tests" || name == "target");
        if path.is_dir() && !is_tests {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests {
            files.push(path);
        }
    }
}

#[test]
fn programs_read_variables_through_the_table() {
    let root = root();
    let mut files = Vec::new();
    for folder in ["crates", "functions", "worker"] {
        source_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    let mut reading = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let reads = CALLS.iter().any(|call| text.contains(call));
        if reads && !name.starts_with("crates/settings/") {
            reading.push(name);
        }
    }
    reading.sort();
    let allowed: Vec<_> = EXCEPTIONS
        .iter()
        .map(|(file, _)| (*file).to_owned())
        .collect();
    assert_eq!(
        reading, allowed,
        "these files read variables without the table of settings"
    );
}

/// Variables of the collector beside the worker, which is another program.
const OF_THE_COLLECTOR: [&str; 6] = [
    "AOT_CONFIG_CONTENT",
    "GOMEMLIMIT",
    "LOG_GROUP",
    "METRIC_NAMESPACE",
    "REMOTE_WRITE_URL",
    "WORKSPACE_REGION",
];

#[test]
fn templates_set_known_settings_only() {
    let root = root();
    for file in ["template.yaml", "infrastructure/worker.yaml"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for name in variables_of_a_template(&text) {
            assert!(
                settings::find(name).is_some() || OF_THE_COLLECTOR.contains(&name),
                "{file} sets {name}, which is not in the table of settings"
            );
        }
    }
}

/// Returns the names in `NAME: value` lines and in `Name: NAME` entries that look like a variable.
fn variables_of_a_template(text: &str) -> impl Iterator<Item = &str> {
    let is_variable = |name: &&str| {
        name.contains('_')
            && name
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || matches!(letter, '_' | '0'..='9'))
    };
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.trim().trim_start_matches("- ").split_once(':')?;
            match key.trim_start_matches("{ ") {
                "Name" => value.trim().split([',', ' ']).next(),
                // Without a value, the key is the type of a gateway response.
                key => (!value.trim().is_empty()).then_some(key),
            }
        })
        .filter(is_variable)
}
