//! The descriptions in `.sqlx` match the queries and the schema.
//!
//! This test compiles the queries again, which takes a while. It runs only if `CHECK_QUERIES` is
//! set, as in `.ci/run`.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::Path,
    process::Command,
    time::SystemTime,
};

use crate::shared_servers::shared_servers;

fn read_descriptions(folder: &Path) -> BTreeMap<String, String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn query_descriptions_match_the_schema() {
    if env::var_os("CHECK_QUERIES").is_none() {
        println!("not checked: CHECK_QUERIES is not set");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let database = shared_servers().await.create_database("queries").await;
    let fresh = tempfile::tempdir().unwrap();
    // A newer modification time makes Cargo compile the crate again.
    let store = File::options()
        .append(true)
        .open(root.join("crates/store/src/lib.rs"))
        .unwrap();
    store.set_modified(SystemTime::now()).unwrap();
    let checked = Command::new(env!("CARGO"))
        .args([
            "check",
            "--quiet",
            "--locked",
            "--package",
            "orderflow-store",
        ])
        .current_dir(root)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", fresh.path())
        .env("DATABASE_URL", database)
        .status();
    assert!(
        checked.unwrap().success(),
        "the queries do not compile against the schema"
    );
    let (fresh, committed) = (
        read_descriptions(fresh.path()),
        read_descriptions(&root.join(".sqlx")),
    );
    assert!(!fresh.is_empty());
    let names =
        |descriptions: &BTreeMap<String, String>| descriptions.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&fresh),
        names(&committed),
        "regenerate .sqlx as CONTRIBUTING.md describes"
    );
    assert!(
        fresh == committed,
        "regenerate .sqlx as CONTRIBUTING.md describes"
    );
}
