//! Lambda's runtime API (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), and one
//! process per function that polls it for events.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{Response, StatusCode},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::api_gateway::{self, ApiKind, Call};
use crate::{api::ApiResponse, harness::MAX_WAIT};
use devstack::guard::{Guard, GuardOptions};
use orderflow_http::Function;

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A function's response, or the error that it reported.
type InvocationResult = Result<Value, Value>;

struct Invocation {
    event: String,
    sender: oneshot::Sender<InvocationResult>,
}

/// The invocations of one function: waiting and in progress.
struct Queue {
    sender: mpsc::UnboundedSender<Invocation>,
    waiting: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    in_progress: Mutex<HashMap<String, oneshot::Sender<InvocationResult>>>,
}

type Queues = Arc<BTreeMap<&'static str, Queue>>;

/// The end of a function's process.
pub(crate) struct Ended {
    pub(crate) success: bool,
    /// The last line of its log.
    pub(crate) last_line: String,
}

pub(crate) struct Lambda {
    address: String,
    queues: Queues,
    server: JoinHandle<()>,
    processes: BTreeMap<&'static str, Guard>,
    folder: tempfile::TempDir,
}

impl Lambda {
    /// Starts a process of every function.
    pub(crate) async fn start(environment: &[(String, String)]) -> Self {
        let mut lambda = Self::without_functions().await;
        for function in Function::ALL {
            let process = lambda.process(function, environment);
            lambda.processes.insert(function.name(), process);
        }
        lambda
    }

    /// Starts a function with invalid settings and waits until its process ends.
    pub(crate) async fn start_failing(
        function: Function,
        environment: &[(String, String)],
    ) -> Ended {
        let lambda = Self::without_functions().await;
        let ended = timeout(
            MAX_WAIT,
            lambda.process(function, environment).wait_for_exit(),
        )
        .await
        .unwrap();
        Ended {
            success: ended.is_some_and(|status| status.success()),
            last_line: lambda.last_log_line(function),
        }
    }

    async fn without_functions() -> Self {
        let queue = |function: Function| {
            let (sender, waiting) = mpsc::unbounded_channel();
            (
                function.name(),
                Queue {
                    sender,
                    waiting: AsyncMutex::new(waiting),
                    in_progress: Mutex::default(),
                },
            )
        };
        let queues = Arc::new(Function::ALL.into_iter().map(queue).collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let api = Router::new()
            .route("/{function}/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/{function}/2018-06-01/runtime/invocation/{id}/{outcome}",
                post(complete_invocation),
            )
            .with_state(Arc::clone(&queues));
        let server = tokio::spawn(async { axum::serve(listener, api).await.unwrap() });
        Self {
            address,
            queues,
            server,
            processes: BTreeMap::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn process(&self, function: Function, environment: &[(String, String)]) -> Guard {
        let name = function.name();
        let of_lambda = [
            // Each function has its own API; the path names the function.
            (
                "AWS_LAMBDA_RUNTIME_API",
                format!("http://{}/{name}", self.address),
            ),
            ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ];
        let of_lambda = of_lambda.map(|(name, value)| (name.to_owned(), value));
        let options = GuardOptions {
            name: name.to_owned(),
            command: vec![
                env!("CARGO_BIN_EXE_function-under-test").into(),
                name.into(),
            ],
            environment: environment.iter().cloned().chain(of_lambda).collect(),
            removed_environment: Vec::new(),
            log: self.log(function),
            user: None,
            // Lambda sends no SIGTERM to a function without an extension.
            stop_signal: "KILL",
            grace_period: Duration::from_secs(5),
            remove_folder: None,
        };
        Guard::spawn(&options).unwrap()
    }

    fn log(&self, function: Function) -> PathBuf {
        self.folder.path().join(format!("{function}.log"))
    }

    pub(crate) fn read_log(&self, function: Function) -> String {
        fs::read_to_string(self.log(function)).unwrap_or_default()
    }

    fn last_log_line(&self, function: Function) -> String {
        let log = self.read_log(function);
        log.lines().last().unwrap_or_default().to_owned()
    }

    /// Returns the number of calls that the function is handling.
    pub(crate) fn in_progress_count(&self, function: Function) -> usize {
        let queue = &self.queues[function.name()];
        queue.in_progress.lock().unwrap().len()
    }

    /// Returns the function's result for an event.
    pub(crate) async fn invoke(&self, function: Function, event: &Value) -> InvocationResult {
        let (sender, receiver) = oneshot::channel();
        self.queues[function.name()]
            .sender
            .send(Invocation {
                event: event.to_string(),
                sender,
            })
            .unwrap();
        tokio::select! {
            outcome = timeout(MAX_WAIT, receiver) => match outcome {
                Ok(outcome) => outcome.unwrap(),
                Err(_) => panic!("{function}: no response to {event}; last log line: {}", self.last_log_line(function)),
            },
            _ = self.processes[function.name()].wait_for_exit() => panic!("{function} has ended: {}", self.last_log_line(function)),
        }
    }

    /// Returns the response to a request through API Gateway.
    pub(crate) async fn call(&self, kind: ApiKind, call: &Call) -> ApiResponse {
        let outcome = self
            .invoke(call.function(), &api_gateway::gateway_event(kind, call))
            .await;
        api_gateway::parse_response(outcome.unwrap_or_else(|error| panic!("{call:?}: {error}")))
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Waits for the next event, without a limit.
async fn next(State(queues): State<Queues>, Path(function): Path<String>) -> Response<Body> {
    let queue = &queues[function.as_str()];
    let Invocation { event, sender } = queue.waiting.lock().await.recv().await.unwrap();
    let mut in_progress = queue.in_progress.lock().unwrap();
    let id = format!(
        "00000000-0000-0000-0000-{:012}",
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    in_progress.insert(id.clone(), sender);
    let deadline = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        + MAX_WAIT;
    Response::builder()
        .header("lambda-runtime-aws-request-id", id)
        .header(
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        )
        .header(
            "lambda-runtime-invoked-function-arn",
            format!("arn:aws:lambda:eu-central-1:123456789012:function:{function}"),
        )
        .header(
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        )
        .body(event.into())
        .unwrap()
}

async fn complete_invocation(
    State(queues): State<Queues>,
    Path((function, id, outcome)): Path<(String, String, String)>,
    body: Bytes,
) -> StatusCode {
    let value: Value = serde_json::from_slice(&body).unwrap();
    let sender = queues[function.as_str()]
        .in_progress
        .lock()
        .unwrap()
        .remove(&id)
        .unwrap();
    // The test may have stopped waiting.
    let _ = sender.send(if outcome == "response" {
        Ok(value)
    } else {
        Err(value)
    });
    StatusCode::ACCEPTED
}
