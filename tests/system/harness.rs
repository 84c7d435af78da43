//! The environment of one test: its own database and task queues, with worker and HTTP API as
//! separate processes.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, WorkflowDescribeOptions,
    WorkflowFetchHistoryOptions, WorkflowStartOptions, tonic::IntoRequest,
};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution, workflowservice::v1::DeleteWorkflowExecutionRequest,
};
use url::Url;

use crate::shared_servers::shared_servers;
use devstack::{Process, Progress, Readiness, guard::GuardOptions, ports};
use domain::{OrderId, OrderPolicy};
use store::PgPool;
use workflows::{Message, OrderInput, OrderWorkflow};

static INSTANCES: AtomicU32 = AtomicU32::new(0);

/// The longest wait of a test. It is generous, because a slow machine is not a failure.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(240);
/// The pause between two reads of a wait is a tenth of the time waited, within these bounds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

pub(crate) struct Harness {
    pub(crate) url: String,
    /// The addresses of the metrics of the API and of the worker.
    pub(crate) metrics_urls: [String; 2],
    pub(crate) pool: PgPool,
    pub(crate) worker: Arc<Process>,
    pub(crate) api: Process,
    pub(crate) http: reqwest::Client,
    pub(crate) temporal_address: String,
    pub(crate) orders_task_queue: String,
    pub(crate) shipping_task_queue: String,
    pub(crate) database_url: String,
    /// The settings of its programs.
    pub(crate) environment: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

/// Starts one of the programs, and waits until it is ready.
async fn start_program(
    service: &str,
    environment: Vec<(String, String)>,
    log: PathBuf,
    address: String,
) -> Process {
    let program = env!("CARGO_BIN_EXE_orderflow-under-test");
    start_command(&[program, "serve", service], environment, log, address).await
}

async fn start_command(
    command: &[&str],
    environment: Vec<(String, String)>,
    log: PathBuf,
    address: String,
) -> Process {
    let options = GuardOptions {
        name: command[command.len() - 1].to_owned(),
        command: command.iter().map(OsString::from).collect(),
        environment,
        removed_environment: Vec::new(),
        log,
        user: None,
        stop_signal: "TERM",
        grace_period: Duration::from_secs(15),
        remove_folder: None,
    };
    let ready = Readiness::Http {
        address,
        path: "/health".to_owned(),
    };
    Process::start(options, ready, Duration::from_secs(60))
        .await
        .unwrap()
}

/// Returns the error output of a worker that does not start with these settings.
pub(crate) async fn worker_start_error(settings: &[(&str, &str)]) -> String {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_orderflow-under-test"))
        .args(["serve", "worker"])
        .env("DATABASE_URL", "postgres://app:app@127.0.0.1:9/app")
        .envs(settings.iter().copied())
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// Prints the end of the worker's log when a test fails.
impl Drop for Harness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log =
                std::fs::read_to_string(self.folder.path().join("worker.log")).unwrap_or_default();
            // The frames of a panic's backtrace would hide its message.
            let lines: Vec<_> = log.lines().filter(|line| !line.starts_with("  ")).collect();
            eprintln!(
                "the end of the worker's log:\n{}",
                lines[lines.len().saturating_sub(80)..].join("\n")
            );
        }
    }
}

/// Creates a pool that waits long for a connection, because many tests share few processors.
pub(crate) async fn connect_patiently(database_url: &str) -> PgPool {
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(10);
    let options = options.acquire_timeout(Duration::from_secs(60));
    options.connect(database_url).await.unwrap()
}

impl Harness {
    /// Starts the processes with the defaults of the local stack.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts the processes with these settings changed.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let shared = shared_servers().await;
        let database_url = shared.create_database(&Self::unique_name("db")).await;
        Self::start_on(&database_url, &shared.temporal.address, settings).await
    }

    fn unique_name(kind: &str) -> String {
        format!(
            "{kind}_{}_{}",
            std::process::id(),
            INSTANCES.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Starts the processes on the caller's servers.
    pub(crate) async fn start_on(
        database_url: &str,
        temporal_address: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [http, health, metrics] =
            [(); 3].map(|()| format!("127.0.0.1:{}", ports::free_port().unwrap()));
        let queues = [Self::unique_name("orders"), Self::unique_name("shipping")];
        let mut environment: Vec<(String, String)> = [
            ("DATABASE_URL", database_url),
            ("TEMPORAL_ADDRESS", temporal_address),
            ("TEMPORAL_NAMESPACE", "default"),
            ("ORDER_TASK_QUEUE", &queues[0]),
            ("SHIPPING_TASK_QUEUE", &queues[1]),
            ("ORDERFLOW_HTTP_ADDRESS", &http),
            ("ORDERFLOW_HEALTH_ADDRESS", &health),
            ("ORDERFLOW_METRICS_ADDRESS", &metrics),
            ("API_AUTH", "none"),
            ("DEFAULT_STOCK", "1000000"),
            ("SAMPLE_CART", "on"),
            ("ALLOW_PROFILE_OVERRIDE", "on"),
            ("DELIVERY", "auto:1s"),
            ("ORDER_PROFILE", "production"),
            ("LOG_LEVEL", "info"),
            // The tests in `mail` have a mailbox.
            ("MAIL", "off"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for (name, value) in settings {
            environment.retain(|(existing, _)| existing != name);
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        let start = async |service: &str, address: String| {
            let log = folder.path().join(format!("{service}.log"));
            start_program(service, environment.clone(), log, address).await
        };
        let metrics_urls = [&metrics, &health].map(|address| format!("http://{address}/metrics"));
        let (worker, api) = futures::join!(start("worker", health), start("api", http.clone()));
        let worker = Arc::new(worker);
        // As in the local stack and in a deployment, a worker that crashes is restarted.
        tokio::spawn(devstack::keep_running(
            Arc::clone(&worker),
            Progress::stderr(),
        ));
        Self {
            url: format!("http://{http}"),
            metrics_urls,
            pool: connect_patiently(database_url).await,
            worker,
            api,
            http: reqwest::Client::new(),
            temporal_address: temporal_address.to_owned(),
            orders_task_queue: queues[0].clone(),
            shipping_task_queue: queues[1].clone(),
            database_url: database_url.to_owned(),
            environment,
            folder,
        }
    }

    /// Starts another worker of the same harness with these settings changed.
    pub(crate) async fn start_another_worker(
        &self,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Process {
        let (environment, address) = self.worker_environment(settings);
        let log = self.folder.path().join(format!("{name}.log"));
        start_program("worker", environment, log, address).await
    }

    /// Starts this program of a worker, which can be one of another release.
    pub(crate) async fn start_program_as_worker(&self, name: &str, program: &str) -> Process {
        let (environment, address) = self.worker_environment(&[]);
        let log = self.folder.path().join(format!("{name}.log"));
        start_command(&[program], environment, log, address).await
    }

    /// Returns the settings of a further worker and the address of its health check.
    fn worker_environment(&self, settings: &[(&str, &str)]) -> (Vec<(String, String)>, String) {
        let chosen = settings
            .iter()
            .find(|(name, _)| *name == "ORDERFLOW_HEALTH_ADDRESS");
        let address = match chosen {
            Some((_, address)) => (*address).to_owned(),
            None => format!("127.0.0.1:{}", ports::free_port().unwrap()),
        };
        let mut environment = self.environment.clone();
        for (name, value) in settings
            .iter()
            .chain([&("ORDERFLOW_HEALTH_ADDRESS", address.as_str())])
        {
            environment.retain(|(existing, _)| existing != name);
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        (environment, address)
    }

    /// Returns the log of one of its programs.
    pub(crate) fn read_log(&self, service: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{service}.log"))).unwrap()
    }

    /// Connects to Temporal, for operations that HTTP does not offer.
    pub(crate) async fn connect_to_temporal(&self) -> Client {
        let url = Url::parse(&format!("http://{}", self.temporal_address)).unwrap();
        let connection = Connection::connect(ConnectionOptions::new(url).build())
            .await
            .unwrap();
        Client::new(connection, ClientOptions::new("default").build()).unwrap()
    }

    /// Starts an order through Temporal, which accepts a policy and orders that the API rejects.
    pub(crate) async fn start_with_policy(&self, id: &str, order: Value, policy: OrderPolicy) {
        let first_rules = OrderInput::default().receipt;
        self.start_with_rules(id, order, policy, first_rules).await;
    }

    /// Starts an order with a policy and this version of the rules ([`OrderInput::receipt`]).
    pub(crate) async fn start_with_rules(
        &self,
        id: &str,
        order: Value,
        policy: OrderPolicy,
        receipt: u32,
    ) {
        let input = OrderInput {
            order,
            policy: Some(policy),
            shipping_task_queue: Some(self.shipping_task_queue.clone()),
            receipt,
            ..OrderInput::default()
        };
        let options =
            WorkflowStartOptions::new(self.orders_task_queue.clone(), format!("order-{id}"))
                .build();
        self.connect_to_temporal()
            .await
            .start_workflow(OrderWorkflow::run, Message::Valid(input), options)
            .await
            .unwrap();
    }

    /// Deletes the order's workflow, as Temporal does after the retention period.
    pub(crate) async fn delete_workflow(&self, order_id: &str) {
        let client = self.connect_to_temporal().await;
        let workflow_id = format!("order-{order_id}");
        let request = DeleteWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: workflow_id.clone(),
                run_id: String::new(),
            }),
        };
        client
            .connection()
            .workflow_service()
            .delete_workflow_execution(request.into_request())
            .await
            .unwrap();
        let handle = client.get_workflow_handle::<OrderWorkflow>(workflow_id);
        let is_deleted = async || {
            handle
                .describe(WorkflowDescribeOptions::default())
                .await
                .is_err()
        };
        self.wait_until("the deletion in Temporal", is_deleted, |deleted| *deleted)
            .await;
    }

    /// Returns the event types of the order's workflow history.
    pub(crate) async fn fetch_history_event_types(&self, order_id: &str) -> Vec<String> {
        let handle = self
            .connect_to_temporal()
            .await
            .get_workflow_handle::<OrderWorkflow>(format!("order-{order_id}"));
        let events = handle
            .fetch_history(WorkflowFetchHistoryOptions::default())
            .into_events()
            .await
            .unwrap();
        events
            .iter()
            .map(|event| event.event_type().as_str_name().to_owned())
            .collect()
    }

    /// Waits until `done` returns true; fails with the last value.
    pub(crate) async fn wait_until<T: std::fmt::Debug>(
        &self,
        condition: &str,
        read: impl AsyncFnMut() -> T,
        done: impl Fn(&T) -> bool,
    ) -> T {
        self.wait_until_within(MAX_WAIT, condition, read, done)
            .await
    }

    /// Waits for a longer time.
    pub(crate) async fn wait_until_within<T: std::fmt::Debug>(
        &self,
        timeout: Duration,
        condition: &str,
        mut read: impl AsyncFnMut() -> T,
        done: impl Fn(&T) -> bool,
    ) -> T {
        let started = Instant::now();
        loop {
            let value = read().await;
            if done(&value) {
                return value;
            }
            let elapsed = started.elapsed();
            assert!(
                elapsed < timeout,
                "{condition}: not within {timeout:?}; last value: {value:?}"
            );
            // Pauses even if a read is slow: the programs under test need the processors.
            tokio::time::sleep((elapsed / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
        }
    }

    /// Waits until the order has ended with every compensation and its row is complete.
    pub(crate) async fn wait_for_end(&self, order_id: &str) -> contract::OrderView {
        let id = OrderId::parse(order_id).unwrap();
        let read = async || {
            store::orders::read_order(&self.pool, &id)
                .await
                .ok()
                .flatten()
        };
        let ended =
            |view: &Option<contract::OrderView>| view.as_ref().is_some_and(|view| !view.is_running);
        self.wait_until(&format!("the end of {order_id}"), read, ended)
            .await
            .unwrap()
    }

    /// Waits until the API returns this status of the order.
    pub(crate) async fn wait_for_status(&self, order_id: &str, status: &str) -> Value {
        let read = async || self.get(&format!("/orders/{order_id}")).await.body;
        self.wait_until(&format!("{order_id} {status}"), read, |body| {
            body["status"] == status
        })
        .await
    }

    /// Waits until the order has reached this step.
    pub(crate) async fn wait_for_step(&self, id: &str, step: &str) {
        let read = async || self.get(&format!("/orders/{id}/status")).await.body;
        self.wait_until(&format!("{id} at {step}"), read, |body| {
            body["step"] == step
        })
        .await;
    }

    /// Waits until the order waits for this reason.
    pub(crate) async fn wait_for_reason(&self, id: &str, reason: &str) {
        let path = format!("/orders/{id}");
        let read = async || self.get(&path).await.body;
        self.wait_until(&format!("{id} to wait for {reason}"), read, |order| {
            order["waiting_for"]["reason"] == reason
        })
        .await;
    }

    /// Returns the types of the order's audit events, from the database.
    pub(crate) async fn audit_event_types(&self, order_id: &str) -> Vec<String> {
        let id = OrderId::parse(order_id).unwrap();
        let events = store::audit_events::list(&self.pool, &id, 0, 1_000)
            .await
            .unwrap()
            .unwrap_or_default();
        events.iter().map(|event| event.kind.to_string()).collect()
    }

    /// Returns the movements of the order in the payment provider's own records.
    pub(crate) async fn provider_movements(&self, order_id: &str) -> Vec<String> {
        let movements = store::simulator::list_movements(&self.pool, order_id)
            .await
            .unwrap();
        movements
            .into_iter()
            .map(|movement| movement.kind)
            .collect()
    }

    /// Asserts every invariant on the whole database.
    pub(crate) async fn assert_invariants(&self) {
        assert_eq!(
            store::verify::find_violations(&self.pool).await.unwrap(),
            []
        );
    }
}
