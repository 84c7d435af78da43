"""Runs the collector beside a running worker, and compares what it sends with the worker's own metrics, for check.sh.

    check.py ORDERFLOW COLLECTOR OTLP-PORT FOLDER
"""

import contextlib
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parent.parent / "monitoring/prometheus-alerts.yaml"
TASK = "0123456789abcdef0123456789abcdef"
NAMESPACE = "orderflow-Worker-1"
LOG_GROUP = "orderflow-Worker-1-CollectorLogs"
# The memory of the container in infrastructure/worker.yaml.
MEMORY_MIB = 256
TIMEOUT_SECONDS = 60


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def read(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def wait_for(what, read_state, is_reached):
    """Repeats `read_state` until `is_reached` returns true for its result. Exits after the time limit."""
    end = time.time() + TIMEOUT_SECONDS
    while True:
        try:
            state = read_state()
        except OSError as error:
            state = error
        else:
            if is_reached(state):
                print(f"  {what}")
                return state
        if time.time() > end:
            sys.exit(f"{what}: not within {TIMEOUT_SECONDS} s: {state}")
        time.sleep(0.2)


class Aws(http.server.ThreadingHTTPServer):
    """A stand-in for CloudWatch Logs, X-Ray and the metadata of ECS, which records the collector's requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.events, self.groups, self.segments = [], set(), []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        arn = f"arn:aws:ecs:eu-central-1:123456789012:task/orderflow/{TASK}"
        task = {"Cluster": "orderflow", "TaskARN": arn, "Family": "worker", "Revision": "1", "LaunchType": "FARGATE"}
        self.answer(task if self.path.endswith("/task") else {"DockerId": "collector"})

    def do_POST(self):
        # The SDK compresses a body of more than 10 KiB only for services that support it; these two do not.
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/TraceSegments":
            self.server.segments += [json.loads(each) for each in body["TraceSegmentDocuments"]]
            self.answer({"UnprocessedTraceSegments": []})
            return
        if self.headers["X-Amz-Target"].endswith(".PutLogEvents"):
            self.server.groups.add(body["logGroupName"])
            self.server.events += [each["message"] for each in body["logEvents"]]
        self.answer({})


@contextlib.contextmanager
def running(name, command, folder, **variables):
    """Runs a program, which must run until the end of the block."""
    log = folder / f"{name}.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
            if process.poll() is not None:
                sys.exit(f"{name}: ended with {process.returncode}")
        except BaseException:
            print(log.read_text()[-8000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(20)


def collector(program, mode, aws, otlp_port, folder, **variables):
    """Runs the collector with the project's configuration, other ports and a shorter interval."""
    text = (HERE / f"{mode}.yaml").read_text()
    health = free_port()
    changes = {"127.0.0.1:4318": f"127.0.0.1:{otlp_port}", "127.0.0.1:13133": f"127.0.0.1:{health}", "interval: 60s": "interval: 1s"}
    for old, new in changes.items():
        assert text.count(old) == 1, f"{mode}.yaml: expected {old} once"
        text = text.replace(old, new)
    environment = {
        "AOT_CONFIG_CONTENT": text,
        "RUN_IN_CONTAINER": "True",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": aws.url,
        "ECS_CONTAINER_METADATA_URI_V4": aws.url,
        "ORDERFLOW_HEALTH_ADDRESS": os.environ["ORDERFLOW_WORKER_METRICS_URL"].removeprefix("http://"),
        "METRIC_NAMESPACE": NAMESPACE,
        "LOG_GROUP": LOG_GROUP,
        "GOMEMLIMIT": "200MiB",
        **variables,
    }
    return running(f"collector-{mode}", [program], folder, **environment), f"http://127.0.0.1:{health}/"


def labels_of(text):
    return dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', text))


def worker_series():
    """Returns the worker's metrics: {name: [(labels, value)]}."""
    found = {}
    for line in read(os.environ["ORDERFLOW_WORKER_METRICS_URL"] + "/metrics").splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if match and not line.startswith("#"):
            found.setdefault(match[1], []).append((labels_of(match[2] or ""), float(match[3])))
    return found


def embedded_metrics(events):
    """Returns the values as CloudWatch extracts them: {(name, dimensions): [value]}."""
    found = {}
    for text in events:
        event = json.loads(text)
        for directive in event.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == NAMESPACE, directive
            for names in directive["Dimensions"]:
                dimensions = tuple((name, event[name]) for name in names)
                for metric in directive["Metrics"]:
                    found.setdefault((metric["Name"], dimensions), []).append(event[metric["Name"]])
    return found


def total(values):
    """Returns the sum of a counter, or the number of values of a histogram."""
    return sum(each["Count"] if isinstance(each, dict) else each for each in values)


def compare(events):
    """Returns the differences between the worker's metrics and those in CloudWatch."""
    worker, sent = worker_series(), embedded_metrics(events)
    problems = []
    for name in declared_metrics():
        series = {dimensions: values for (metric, dimensions), values in sent.items() if metric == name}
        is_histogram = f"{name}_count" in worker
        of_worker = worker.get(f"{name}_count" if is_histogram else name, [])
        if name not in REPEATS and (not series or not of_worker):
            problems.append(f"{name}: no series")
        for dimensions, values in series.items():
            matching = [value for labels, value in of_worker if set(dimensions) <= set(labels.items())]
            is_counter = is_histogram or name.endswith("_total")
            same = total(values) == sum(matching) if is_counter else values[-1] in matching
            if not same:
                problems.append(f"{name} {dict(dimensions)}: {total(values) if is_counter else values[-1]}, the worker has {matching}")
    return problems


# No activity is repeated in this check.
REPEATS = {"orderflow_activity_retries_total"}


def declared_metrics():
    text = (HERE / "cloudwatch.yaml").read_text()
    return re.findall(r"^ {10}- (\w+)$", text, re.MULTILINE)


def resident_mib(process):
    [kib] = re.findall(r"^VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return int(kib) / 1024


def check_memory(process):
    peak = resident_mib(process)
    print(f"  peak memory of the collector: {peak:.0f} MiB")
    if peak > MEMORY_MIB:
        sys.exit(f"the collector takes {peak:.0f} MiB; its container has {MEMORY_MIB} MiB")


def check_cloudwatch(orderflow, program, otlp_port, folder):
    print("CloudWatch and X-Ray")
    aws = Aws()
    context, health = collector(program, "cloudwatch", aws, otlp_port, folder)
    with context as process:
        wait_for("the collector is healthy", lambda: read(health), lambda _: True)
        subprocess.run([orderflow, "test-workflow"], check=True, stdout=subprocess.DEVNULL)
        wait_for("each metric has the worker's value", lambda: compare(aws.events), lambda problems: not problems)
        annotated = lambda: [each for each in aws.segments if "temporalWorkflowID" in each.get("annotations", {})]
        segments = wait_for("X-Ray finds orders by their workflow id", annotated, bool)
        assert aws.groups == {LOG_GROUP}, aws.groups
        unread = [text for text in aws.events if not json.loads(text).get("_aws")]
        assert not unread, f"log lines without a metric: {unread[:3]}"
        check_memory(process)
    series = embedded_metrics(aws.events)
    scrapes = len(series["orderflow_outbox_depth", ()])
    size = sum(len(text) + 26 for text in aws.events) / scrapes
    print(f"  {len(series)} metrics; {size:.0f} bytes of log in each interval; {len(segments)} annotated segments")


def check_prometheus(program, folder):
    print("Prometheus")
    configuration = folder / "prometheus.yml"
    configuration.write_text(json.dumps({"rule_files": [str(RULES)]}))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["prometheus", f"--config.file={configuration}", f"--web.listen-address=127.0.0.1:{port}",
               "--web.enable-remote-write-receiver", f"--storage.tsdb.path={folder / 'tsdb'}"]
    aws = Aws()

    def query(text):
        response = json.loads(read(f"{url}/api/v1/query?query={urllib.parse.quote(text)}"))
        return [(each["metric"], float(each["value"][1])) for each in response["data"]["result"]]

    with running("prometheus", command, folder):
        wait_for("Prometheus is ready", lambda: read(f"{url}/-/ready"), lambda _: True)
        variables = {"REMOTE_WRITE_URL": f"{url}/api/v1/write", "WORKSPACE_REGION": "eu-central-1"}
        context, health = collector(program, "prometheus", aws, free_port(), folder, **variables)
        with context as process:
            wait_for("the collector is healthy", lambda: read(health), lambda _: True)
            expected = sum(value for _, value in worker_series()["orderflow_order_seconds_count"])
            orders = lambda: query("sum(orderflow_order_seconds_count)")
            wait_for("the number of orders is the worker's", orders, lambda found: [value for _, value in found] == [expected])
            [(labels, value)] = query("up")
            assert value == 1 and labels["job"] == "orderflow-worker" and labels["instance"] == TASK, labels
            names = {name for name in worker_series() if not name.endswith("_bucket")}
            missing = names - {labels["__name__"] for labels, _ in query('{job="orderflow-worker"}')}
            assert not missing, f"missing in Prometheus: {missing}"
            [(_, count)] = query('count({job="orderflow-worker"})')
            groups = json.loads(read(f"{url}/api/v1/rules"))["data"]["groups"]
            broken = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]
            assert groups and not broken, broken
            check_memory(process)
    print(f"  {count:.0f} series of one worker")


if __name__ == "__main__":
    program, collector_program, traces_port, temporary = sys.argv[1:]
    check_cloudwatch(program, collector_program, traces_port, pathlib.Path(temporary))
    check_prometheus(collector_program, pathlib.Path(temporary))
    print("the metrics and traces of the worker arrive")
