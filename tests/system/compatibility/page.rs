//! Each entry of `docs/compatibility.md` names existing tests, and links between pages lead to
//! existing files.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

fn project_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the entries of the page's lists: each line that begins with a hyphen, with its
/// continuation lines.
fn list_entries() -> Vec<String> {
    let page = fs::read_to_string(project_root().join("docs/compatibility.md")).unwrap();
    let sections = page.split("\n## ").skip(1);
    sections
        .flat_map(|section| section.split("\n- ").skip(1))
        .map(ToOwned::to_owned)
        .collect()
}

fn quoted_names(text: &str) -> impl Iterator<Item = &str> {
    // Every second part is enclosed in backticks.
    text.split('`').skip(1).step_by(2)
}

/// Returns the names of all system tests, as this test binary lists them.
fn system_test_names() -> BTreeSet<String> {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn each_compatibility_entry_names_existing_tests() {
    let (tests, entries) = (system_test_names(), list_entries());
    assert!(
        entries.len() >= 35 && tests.len() >= 150,
        "{} entries, {} tests",
        entries.len(),
        tests.len()
    );
    for entry in entries {
        let (_, names) = entry
            .split_once("\n  - Tests:")
            .unwrap_or_else(|| panic!("no tests are named: {entry}"));
        assert!(
            quoted_names(names).count() > 0,
            "no tests are named: {entry}"
        );
        for name in quoted_names(names) {
            assert!(
                tests.contains(name) || project_root().join(name).is_file(),
                "no such test: {name}"
            );
        }
    }
}

#[test]
fn every_relative_link_in_documentation_resolves() {
    let folders = ["docs", "docs/adr", "localstack", "."];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(project_root().join(folder)).unwrap());
    let pages: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension() == Some("md".as_ref()))
        .collect();
    assert!(pages.len() > 20, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{} links to {link}", page.display());
        }
    }
}
