//! Tests with real processes: no server survives the process that started it.

use std::{
    fs,
    future::pending,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{
    Port, Postgres, PostgresOptions, Progress, Project, StackOptions, StackState, Temporal,
    TemporalOptions, control,
    guard::{Guard, GuardOptions},
    keep_running, ports, replace_stuck, run_supervisor, toolchain,
};

/// The variable that makes the test `victim` start servers and end in a chosen way.
const VICTIM: &str = "DEVSTACK_TEST_VICTIM";

fn sleeper(folder: &Path, script: &str) -> GuardOptions {
    GuardOptions {
        name: "sleeper".to_owned(),
        command: ["/bin/sh", "-c", script].map(Into::into).to_vec(),
        environment: Vec::new(),
        removed_environment: Vec::new(),
        log: folder.join("log"),
        user: None,
        stop_signal: "TERM",
        grace_period: Duration::from_millis(500),
        remove_folder: None,
    }
}

fn is_alive(pid: u32) -> bool {
    let command = format!("kill -0 {pid}");
    let status = Command::new("/bin/sh")
        .args(["-c", &command])
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Not a test by itself: the test below runs it in a separate process.
#[test]
fn victim() {
    let Ok(folder) = std::env::var(VICTIM) else {
        return;
    };
    let folder = Path::new(&folder);
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    // One server stops on a signal, the other must be killed.
    let mut obedient = sleeper(folder, "exec sleep 1000");
    obedient.remove_folder = Some(data);
    let obedient = Guard::spawn(&obedient).unwrap();
    let stubborn = sleeper(folder, "trap '' TERM; while :; do sleep 1; done");
    let stubborn = Guard::spawn(&stubborn).unwrap();
    let pids = format!("{} {}", obedient.pid(), stubborn.pid());
    fs::write(folder.join("pids.new"), pids).unwrap();
    fs::rename(folder.join("pids.new"), folder.join("pids")).unwrap();
    match std::env::var("DEVSTACK_TEST_END").as_deref() {
        Ok("return") => {
            // The statics of a test binary are not dropped either.
            std::mem::forget((obedient, stubborn));
        }
        Ok("panic") => panic!("as asked"),
        Ok("abort") => std::process::abort(),
        _ => std::thread::sleep(Duration::from_secs(60)),
    }
}

#[test]
fn no_server_outlives_its_starter() {
    let ends = ["return", "panic", "abort", "INT", "TERM", "KILL"];
    let victims = ends.map(|end| {
        let folder = TempDir::new().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::victim"])
            .env(VICTIM, folder.path())
            .env("DEVSTACK_TEST_END", end)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (end, folder, child)
    });
    for (end, folder, mut child) in victims {
        let file = folder.path().join("pids");
        wait_until("the victim started its servers", || file.exists());
        let pids = fs::read_to_string(&file).unwrap();
        let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
        if end.chars().all(char::is_uppercase) {
            let command = format!("kill -{end} {}", child.id());
            let status = Command::new("/bin/sh").args(["-c", &command]).status();
            assert!(status.unwrap().success());
        }
        child.wait().unwrap();
        let alive = || pids.iter().any(|pid| is_alive(*pid));
        if matches!(end, "return" | "panic") {
            assert!(!alive(), "a regular exit waits for the servers: {end}");
        }
        wait_until(&format!("the servers ended after {end}"), || !alive());
        let data = folder.path().join("data");
        wait_until(&format!("the data is gone after {end}"), || !data.exists());
    }
}

#[tokio::test]
async fn exit_of_a_server_is_reported_with_its_status() {
    let folder = TempDir::new().unwrap();
    let guard = Guard::spawn(&sleeper(folder.path(), "exit 7")).unwrap();
    assert_eq!(guard.wait_for_exit().await.unwrap().code(), Some(7));
    assert!(guard.has_exited());
}

#[tokio::test]
async fn stubborn_server_is_killed_without_its_siblings() {
    let folder = TempDir::new().unwrap();
    let first = Guard::spawn(&sleeper(folder.path(), "exec sleep 1000")).unwrap();
    let second = Guard::spawn(&sleeper(
        folder.path(),
        "trap '' TERM; while :; do sleep 1; done",
    ));
    let second = second.unwrap();
    let third = Guard::spawn(&sleeper(folder.path(), "exec sleep 1000")).unwrap();
    let pids = [first.pid(), second.pid(), third.pid()];
    first.stop().await;
    assert_eq!(pids.map(is_alive), [false, true, true]);
    second.stop_and_keep_folder().await;
    assert_eq!(pids.map(is_alive), [false, false, true]);
    third.kill().await;
    assert_eq!(pids.map(is_alive), [false, false, false]);
}

#[tokio::test]
async fn postgres_copies_databases_and_survives_a_crash() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let mut connection = PgConnection::connect(&server.url).await.unwrap();
    let create = "create table kept as select 42 as answer";
    sqlx::query(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let copy = server.create_database("copy-1", Some("app")).await.unwrap();
    let refused = server.create_database("a\"; drop", None).await;
    assert!(refused.is_err());

    server.restart().await.unwrap();
    server.process.kill().await;
    assert!(PgConnection::connect(&server.url).await.is_err());
    server.process.restart().await.unwrap();
    for url in [&server.url, &copy] {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let answer: i32 = sqlx::query_scalar("select answer from kept")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(answer, 42);
    }
    let folder = server.data_dir.parent().unwrap().to_owned();
    server.stop().await;
    drop(server);
    assert!(!folder.exists());
}

#[tokio::test]
async fn temporal_restarts_on_its_port() {
    let server = Temporal::start(TemporalOptions::default()).await.unwrap();
    assert!(!ports::is_port_free(server.port));
    server.process.restart().await.unwrap();
    server.stop().await;
    assert!(ports::is_port_free(server.port));
}

#[tokio::test]
async fn stuck_temporal_is_replaced() {
    let server = Temporal::start(TemporalOptions::default()).await.unwrap();
    let process = Arc::clone(&server.process);
    let stuck = process.pid().await.unwrap();
    let keeper = tokio::spawn(keep_running(Arc::clone(&process), Progress::stderr()));
    let watch = tokio::spawn(replace_stuck(
        Arc::clone(&process),
        Duration::from_secs(2),
        Progress::stderr(),
    ));
    // Longer than the test: only the replacement ends the freeze.
    let replaced = async {
        while process.pid().await.is_none_or(|pid| pid == stuck) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = process.freeze(Duration::from_secs(600)) => panic!("the server was not replaced"),
        () = replaced => {}
    }
    server.process.check_readiness().await.unwrap();
    watch.abort();
    keeper.abort();
    server.stop().await;
}

/// Not a test by itself: replaces the worker and the API of the stack below.
#[test]
fn fake_service() {
    let args: Vec<String> = std::env::args().collect();
    let variable = match args.last().map(String::as_str) {
        Some("worker") => "ORDERFLOW_HEALTH_ADDRESS",
        Some("api") => "ORDERFLOW_HTTP_ADDRESS",
        _ => return,
    };
    let listener = TcpListener::bind(std::env::var(variable).unwrap()).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}

#[tokio::test]
async fn supervised_stack_restarts_services_and_stops_on_request() {
    let folder = TempDir::new().unwrap();
    // If this process is root, the database's user must be able to enter.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let project = Project::from_root(folder.path());
    let program = std::env::current_exe().unwrap();
    let options = StackOptions {
        program: vec![
            program.into(),
            "--exact".into(),
            "tests::fake_service".into(),
        ],
        http_port: Port::Free,
        temporal_port: Port::Free,
        ui_port: Port::Free,
        mail_port: Some(Port::Free),
        database_url: None,
        ..StackOptions::for_project(project.clone()).unwrap()
    };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let progress = Progress::new(move |line| sink.lock().unwrap().push(line.to_owned()));
    let (report, ready) = oneshot::channel();
    let owner = project.clone();
    let supervisor = tokio::spawn(async move {
        let ready = |_: &StackState| report.send(()).unwrap();
        run_supervisor(&owner, options, &progress, pending(), ready).await
    });
    ready.await.unwrap();
    assert!(project.is_running().unwrap());

    let pid = async |service: &str| {
        let status = control::request_status(&project).await.unwrap();
        let line = status.into_iter().find(|line| line.service == service);
        line.unwrap().pid
    };
    let worker = pid("worker").await.unwrap();
    let killed = Command::new("/bin/sh")
        .args(["-c", &format!("kill -KILL {worker}")])
        .status();
    assert!(killed.unwrap().success());
    let started = Instant::now();
    let said = |part: &str| lines.lock().unwrap().iter().any(|line| line.contains(part));
    while !said("worker is running again") {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(said("worker exited unexpectedly (signal 9)"));
    assert_ne!(pid("worker").await.unwrap(), worker);

    let api = pid("api").await.unwrap();
    control::request_restart(&project, Some("app".to_owned()))
        .await
        .unwrap();
    assert_ne!(pid("api").await.unwrap(), api);
    assert!(
        control::request_restart(&project, Some("unknown".to_owned()))
            .await
            .is_err()
    );

    // The stack has no mailbox if no mail server can be installed.
    let mailbox = toolchain::obtain_mail_server(&Progress::stderr())
        .await
        .is_ok();
    let mail = pid("mail").await;
    assert_eq!(mail.is_some(), mailbox);
    assert_eq!(
        control::request_restart(&project, Some("mail".to_owned()))
            .await
            .is_ok(),
        mailbox
    );
    assert!(!mail.is_some_and(is_alive));

    let services = ["postgres", "temporal", "mail", "worker", "api"];
    let mut pids = Vec::new();
    for service in services {
        pids.push(pid(service).await);
    }
    control::request_shutdown(&project).await.unwrap();
    supervisor.await.unwrap().unwrap();
    assert!(!pids.into_iter().flatten().any(is_alive));
    assert!(project.read_state().is_err());
    project.remove_data().unwrap();
    assert!(!project.folder().exists());
}

#[tokio::test]
async fn concurrent_installations_return_one_program() {
    let progress = Progress::stderr();
    let (first, second) = tokio::join!(
        toolchain::obtain_postgres(&progress),
        toolchain::obtain_postgres(&progress)
    );
    assert_eq!(first.unwrap(), second.unwrap());
}
