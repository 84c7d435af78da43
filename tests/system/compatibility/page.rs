//! Each entry of `docs/compatibility.md` names existing tests, and links between pages lead to existing files.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the entries of the page's lists: each line that begins with a hyphen, with the lines that belong to it.
fn list_entries() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    let sections = page.split("\n## ").skip(1);
    sections
        .flat_map(|section| section.split("\n- ").skip(1))
        .map(ToOwned::to_owned)
        .collect()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    // What stands between two backticks is every other part.
    text.split('`').skip(1).step_by(2)
}

/// Every system test, as the program itself lists them.
fn tests() -> BTreeSet<String> {
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
fn each_entry_names_existing_tests() {
    let (tests, entries) = (tests(), list_entries());
    assert!(
        entries.len() >= 35 && tests.len() >= 150,
        "{} entries, {} tests",
        entries.len(),
        tests.len()
    );
    for entry in entries {
        let (_, names) = entry
            .split_once("\n  - Tests: ")
            .unwrap_or_else(|| panic!("no tests are named: {entry}"));
        assert!(quoted(names).count() > 0, "no tests are named: {entry}");
        for name in quoted(names) {
            assert!(
                tests.contains(name) || root().join(name).is_file(),
                "no such test: {name}"
            );
        }
    }
}

#[test]
fn every_page_that_a_page_names_is_there() {
    let folders = ["docs", "docs/adr", "localstack", "."];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
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
