//! `docs/compatibility.md` names, line by line, the test that proves it: each of them is there.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The cells of each line of the page's tables, without their heads.
fn lines() -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    let lines = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| they know"));
    lines
        .map(|line| {
            line.trim_matches('|')
                .split(" | ")
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
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
fn every_line_names_tests_that_there_are() {
    let (tests, lines) = (tests(), lines());
    assert!(
        lines.len() >= 35 && tests.len() >= 150,
        "{} lines, {} tests",
        lines.len(),
        tests.len()
    );
    for line in lines {
        let [known, here, proof] = &line[..] else {
            panic!("not three cells: {line:?}")
        };
        assert!(
            !here.is_empty() && quoted(proof).count() > 0,
            "nothing proves {known}"
        );
        for name in quoted(proof) {
            assert!(
                tests.contains(name) || root().join(name).is_file(),
                "{known}: there is no {name}"
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
