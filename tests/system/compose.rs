//! Checks of `compose.yaml` and `worker/Dockerfile` that need no Docker daemon: their services, versions
//! and settings are those of the local stack.

use std::{collections::BTreeSet, fs, path::PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

use devstack::toolchain::POSTGRES_VERSION;
use domain::SEARCH_ATTRIBUTES;

/// The services whose image is built from this repository.
const OURS: [&str; 3] = ["api", "migrate", "worker"];

fn read(path: &str) -> String {
    fs::read_to_string(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(path),
    )
    .unwrap()
}

fn services() -> Vec<(String, Yaml)> {
    let compose = YamlLoader::load_from_str(&read("compose.yaml"))
        .unwrap()
        .remove(0);
    let services = compose["services"].as_hash().unwrap().clone();
    services
        .into_iter()
        .map(|(name, service)| (name.into_string().unwrap(), service))
        .collect()
}

fn service(name: &str) -> Yaml {
    services()
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap()
        .1
}

fn texts(list: &Yaml) -> Vec<String> {
    list.as_vec()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

/// Returns the tag of an image. Fails unless the tag is a version, because other tags move.
fn pinned_tag(image: &str) -> &str {
    let (_, tag) = image
        .rsplit_once(':')
        .unwrap_or_else(|| panic!("{image} has no tag"));
    let version = tag.trim_start_matches('v').split('-').next().unwrap();
    let is_version =
        version.contains('.') && version.split('.').all(|part| part.parse::<u32>().is_ok());
    assert!(is_version, "{image} is not pinned");
    tag
}

#[test]
fn compose_publishes_the_stacks_services_locally() {
    let names: BTreeSet<_> = services().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["api", "mail", "migrate", "postgres", "temporal", "worker"]
            .map(ToOwned::to_owned)
            .into()
    );
    let published: BTreeSet<_> = services()
        .iter()
        .flat_map(|(_, service)| texts(&service["ports"]))
        .collect();
    let local = |port: u16| format!("127.0.0.1:{port}:{port}");
    assert_eq!(published, [7233, 8000, 8025, 8233, 9464].map(local).into());
}

#[test]
fn compose_runs_the_versions_of_the_stack() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        if OURS.contains(&name.as_str()) {
            assert_eq!(
                service["build"]["dockerfile"].as_str(),
                Some("worker/Dockerfile"),
                "{name}"
            );
        } else {
            pinned_tag(image);
        }
    }
    let tag = |name: &str| pinned_tag(service(name)["image"].as_str().unwrap()).to_owned();
    assert_eq!(format!("{}.0", tag("postgres")), POSTGRES_VERSION);
    let modules = read("crates/devstack/temporal-cli/go.mod");
    assert!(
        modules.contains(&format!("github.com/temporalio/cli v{} ", tag("temporal"))),
        "{}",
        tag("temporal")
    );
    let command = texts(&service("temporal")["command"]);
    for (attribute, kind) in SEARCH_ATTRIBUTES {
        assert!(
            command.contains(&format!("--search-attribute={attribute}={kind}")),
            "{attribute}: {command:?}"
        );
    }
}

#[test]
fn compose_waits_for_dependencies() {
    for (name, service) in services() {
        let Some(needed) = service["depends_on"].as_hash() else {
            assert!(!OURS.contains(&name.as_str()), "{name} waits for nothing");
            continue;
        };
        for (on, how) in needed {
            let on = on.as_str().unwrap();
            match how["condition"].as_str().unwrap() {
                "service_healthy" => {
                    assert!(
                        !texts(&self::service(on)["healthcheck"]["test"]).is_empty(),
                        "{on} has no health check"
                    );
                }
                "service_completed_successfully" => assert_eq!(on, "migrate", "{name}"),
                other => panic!("{name} waits for {on}: {other}"),
            }
        }
    }
}

#[test]
fn compose_sets_known_settings_only() {
    for name in OURS {
        let set: BTreeSet<_> = service(name)["environment"]
            .as_hash()
            .unwrap()
            .keys()
            .map(|variable| variable.as_str().unwrap().to_owned())
            .collect();
        assert!(
            set.contains("DATABASE_URL") && set.contains("TEMPORAL_ADDRESS"),
            "{name}: {set:?}"
        );
        let unknown: Vec<_> = set
            .iter()
            .filter(|variable| settings::find(variable).is_none())
            .collect();
        assert!(
            unknown.is_empty(),
            "{name} has variables that are not in the table of settings: {unknown:?}"
        );
    }
}

#[test]
fn images_use_the_toolchain_and_run_unprivileged() {
    let file = read("worker/Dockerfile");
    let version = file
        .lines()
        .find_map(|line| line.strip_prefix("ARG RUST_VERSION="))
        .unwrap();
    assert!(
        read("rust-toolchain.toml").contains(&format!("channel = \"{version}\"")),
        "{version}"
    );
    let stages: Vec<_> = file.split("\nFROM ").collect();
    let (arguments, stages) = stages.split_first().unwrap();
    let arguments: Vec<_> = arguments
        .lines()
        .filter_map(|line| line.strip_prefix("ARG ")?.split_once('='))
        .collect();
    let (mut known, mut builds) = (BTreeSet::new(), 0);
    for stage in stages {
        let (base, name) = stage.lines().next().unwrap().split_once(" AS ").unwrap();
        let base = arguments
            .iter()
            .fold(base.to_owned(), |base, (name, default)| {
                base.replace(&format!("${{{name}}}"), default)
            });
        if base != "scratch" && !known.contains(base.as_str()) {
            pinned_tag(&base);
        }
        known.insert(name);
        if stage.contains("ENTRYPOINT") {
            // The image has no shell and no other program, and its user has no privileges.
            assert!(
                base == "scratch" && stage.contains("\nUSER 65532:65532\n"),
                "{name}"
            );
        }
        for build in stage
            .split("cargo ")
            .skip(1)
            .filter(|command| command.starts_with("zigbuild "))
        {
            let build = build.split("&&").next().unwrap();
            assert!(build.contains("--locked"), "{name}");
            // Without a target, the program is for the processor of the building machine.
            assert!(build.contains("--target \"$target\""), "{name}");
            builds += 1;
        }
        // A stage with commands runs on the processor of the building machine, without an emulator.
        if stage.contains("\nRUN ") {
            let is_native = base.starts_with("--platform=$BUILDPLATFORM ") || base == "source";
            assert!(is_native, "{name}");
        }
    }
    assert_eq!(builds, 2);
    for name in OURS {
        assert!(
            known.contains(service(name)["build"]["target"].as_str().unwrap()),
            "{name}"
        );
    }
    // A build without a target makes the last stage.
    assert!(stages.last().unwrap().starts_with("scratch AS worker\n"));
}

/// An image has one program, which is also its health check; tests/system/health.rs runs it with the same
/// arguments.
#[test]
fn health_checks_call_the_program_of_the_image() {
    let file = read("worker/Dockerfile");
    assert!(
        file.contains("CMD [\"/worker\", \"health\"]\nENTRYPOINT [\"/worker\"]\n"),
        "{file}"
    );
    assert!(read("infrastructure/worker.yaml").contains("Command: [CMD, /worker, health]\n"));
    assert!(
        file.contains("\nENTRYPOINT [\"/bin/orderflow\"]\n"),
        "{file}"
    );
    for name in ["api", "worker"] {
        assert_eq!(
            texts(&service(name)["healthcheck"]["test"]),
            ["CMD", "/bin/orderflow", "health", name]
        );
    }
}
