//! The checked-in pages equal the ones that the table makes. `UPDATE_SETTINGS=1` renews them.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

use std::{env, fs, path::PathBuf};

use settings::pages::{LONGEST_CELL, example_file, fill_page};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

fn compare(name: &str, made: &str) {
    if env::var_os("UPDATE_SETTINGS").is_some() {
        fs::write(path(name), made).unwrap();
        return;
    }
    let current = fs::read_to_string(path(name)).unwrap();
    assert!(
        current == made,
        "{name} differs from the table of settings; renew it with \
         `UPDATE_SETTINGS=1 cargo test --package orderflow-settings`"
    );
}

#[test]
fn settings_page_equals_the_table() {
    let page = fs::read_to_string(path("docs/settings.md")).unwrap();
    compare("docs/settings.md", &fill_page(&page).unwrap());
}

#[test]
fn example_file_equals_the_table() {
    compare(".env.example", &example_file());
}

#[test]
fn cells_of_the_page_are_short() {
    let page = fs::read_to_string(path("docs/settings.md")).unwrap();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() <= 4, "{line}");
        for cell in cells {
            assert!(cell.chars().count() <= LONGEST_CELL, "{cell}");
        }
    }
}
