//! The two programs that replace Stripe, installed once: localstripe from PyPI and stripe-mock as a
//! Go module.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{process::Command, sync::OnceCell};

const LOCALSTRIPE: &str = include_str!("../../localstripe/requirements.txt");
const STRIPE_MOCK: [(&str, &str); 2] = [
    ("go.mod", include_str!("../../stripe-mock/go.mod")),
    ("go.sum", include_str!("../../stripe-mock/go.sum")),
];

/// Returns the Python that has localstripe, or `None` after a message.
pub(super) async fn install_localstripe() -> Option<&'static Path> {
    static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let install = || {
        install_python(
            "localstripe",
            LOCALSTRIPE,
            "the Stripe payment tests need python3 with venv",
        )
    };
    PYTHON.get_or_init(install).await.as_deref()
}

/// Returns a Python with these pinned packages, or `None` after a message.
pub(crate) async fn install_python(name: &str, versions: &str, missing: &str) -> Option<PathBuf> {
    if !can_run("python3", &["-c", "import ensurepip, venv"]).await {
        return print_skipped(missing);
    }
    let home = install_once(name, versions, async |fresh| {
        run_checked(Command::new("python3").args(["-m", "venv"]).arg(fresh)).await;
        let list = fresh.join("requirements.txt");
        fs::write(&list, versions).unwrap();
        let options = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ];
        run_checked(
            Command::new(fresh.join("bin/python"))
                .args(options)
                .arg(list),
        )
        .await;
    });
    Some(home.await.join("bin/python"))
}

/// Returns the program stripe-mock, or `None` after a message if Go is missing.
pub(super) async fn install_stripe_mock() -> Option<&'static Path> {
    static PROGRAM: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let program = PROGRAM.get_or_init(async || {
        if !can_run("go", &["version"]).await {
            return print_skipped("the Stripe request test needs Go");
        }
        let home = install_once("stripe-mock", STRIPE_MOCK[1].1, async |fresh| {
            for (name, text) in STRIPE_MOCK {
                fs::write(fresh.join(name), text).unwrap();
            }
            let mut go = Command::new("go");
            go.arg("-C")
                .arg(fresh)
                .args(["install", "tool"])
                .env("GOBIN", fresh.join("bin"));
            // The user's own flags and workspace would change the build.
            run_checked(
                go.env("GOFLAGS", "-buildvcs=false -mod=readonly")
                    .env("GOWORK", "off")
                    .env("CGO_ENABLED", "0"),
            )
            .await;
        });
        Some(home.await.join("bin/stripe-mock"))
    });
    program.await.as_deref()
}

/// Returns a folder below `target` for this list of versions. The install runs in a temporary
/// folder that is renamed at the end, so an interrupted install leaves nothing.
async fn install_once(name: &str, versions: &str, install: impl AsyncFnOnce(&Path)) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let home = target.join(format!("{name}-{}", fingerprint(versions)));
    if !home.is_dir() {
        fs::create_dir_all(target).unwrap();
        let fresh = tempfile::tempdir_in(target).unwrap();
        install(fresh.path()).await;
        // Another test run can finish first.
        if fs::rename(fresh.path(), &home).is_err() {
            assert!(home.is_dir(), "{} was not created", home.display());
        }
    }
    home
}

/// FNV-1a: returns the same hash for the same text on any machine.
fn fingerprint(text: &str) -> String {
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, add))
}

async fn can_run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command.status().await.is_ok_and(|status| status.success())
}

async fn run_checked(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `.ci/run` searches for this text. Written directly to stderr, so that the test harness does not
/// capture it.
fn print_skipped(why: &str) -> Option<PathBuf> {
    writeln!(std::io::stderr().lock(), "SKIPPED: {why}").unwrap();
    None
}
