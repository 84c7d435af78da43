"""Measures each function of a folder with an emulated Lambda runtime API. Started by run.sh.

Times are medians over new processes. The columns "processor" are the CPU time. On Lambda, a function with 256 MB has a
seventh of a core, so its CPU time takes seven times as long there. Memory is the maximum of all processes.
"""

import base64
import hashlib
import hmac
import http.server
import io
import json
import pathlib
import platform
import queue
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent.parent / "localstack"))
from functions import API, WEBHOOK_SECRET, find_commands, lambda_environment, processor_of, read_sample_event  # noqa: E402

ZIP_LIMIT = 5_000_000
MEMORY_LIMIT = 32_000_000
PROCESSES = 7
FURTHER_CALLS = 10
TIMEOUT_SECONDS = 60


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """Sends events to a function and records the time of each event and response."""

    protocol_version = "HTTP/1.1"
    # With Nagle's algorithm, the second half of a response waits for the acknowledgement of the first.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        event = self.server.events.get()
        self.server.sent_at = time.perf_counter()
        self.respond(200, event, {
            "Lambda-Runtime-Aws-Request-Id": secrets.token_hex(8),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + TIMEOUT_SECONDS) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:budget",
        })

    def do_POST(self):
        response = self.rfile.read(int(self.headers["Content-Length"]))
        received_at = time.perf_counter()
        self.respond(202, b"{}", {})
        self.server.responses.put((self.path, response, received_at))

    def respond(self, status, body, headers):
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Ignores errors: a function is killed while it waits for its next event."""


class Sandbox:
    """One process of a function."""

    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), RuntimeApi)
        self.server.events, self.server.responses = queue.Queue(), queue.Queue()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.log = open(self.folder / "log", "w+")
        variables = lambda_environment(self.name, f"127.0.0.1:{self.server.server_port}")
        self.started_at = time.perf_counter()
        # The folder has no .env file.
        self.process = subprocess.Popen(self.command, env=variables, cwd=self.folder, stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()
        self.log.close()

    def call(self, event):
        """Sends an event. Returns the response and the time of its arrival."""
        self.server.events.put(json.dumps(event).encode())
        end = time.time() + TIMEOUT_SECONDS
        while True:
            try:
                path, response, received_at = self.server.responses.get(timeout=0.2)
                break
            except queue.Empty:
                if self.process.poll() is not None or time.time() > end:
                    self.fail("no response")
        response = json.loads(response)
        if not path.endswith("/response") or response["statusCode"] >= 500:
            self.fail(response)
        return response, received_at

    def fail(self, problem):
        self.log.seek(0)
        sys.exit(f"{self.name}: {problem}\n{self.log.read()}")

    def processor_time(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def peak_memory(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def make_event(name, order):
    """Returns an event that makes the function do its main work and that can be sent repeatedly."""
    files = {
        "start": "create-order", "signal": "update-address", "query": "get-status", "events": "list-events",
        "admin": "list-stock", "webhook": "webhook", "web": "documentation",
    }
    text = json.dumps(read_sample_event(f"{files[name]}.rest.json"))
    # Each start creates a new order.
    event = json.loads(text.replace("order-sample", order).replace("sample-1", secrets.token_hex(8)))
    if name == "webhook":
        # A new webhook event each time, of a type that does not change a payment.
        body = json.dumps({"id": f"evt_{secrets.token_hex(8)}", "type": "dispute_evidence_required"}).encode()
        event["body"] = base64.b64encode(body).decode()
        signature = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        for headers, value in ((event["headers"], signature), (event["multiValueHeaders"], [signature])):
            headers["Cko-Signature"] = value
    return event


def measure(name, command, folder, order):
    """Returns the median times in ms, the peak memory in bytes and the statuses of a function."""
    first, first_processor, next_times, next_processor, peaks, statuses = [], [], [], [], [], set()
    for _ in range(PROCESSES):
        with Sandbox(name, command, folder) as sandbox:
            response, received_at = sandbox.call(make_event(name, order))
            first.append(received_at - sandbox.started_at)
            first_processor.append(sandbox.processor_time())
            statuses.add(response["statusCode"])
            for _ in range(FURTHER_CALLS):
                response, received_at = sandbox.call(make_event(name, order))
                next_times.append(received_at - sandbox.server.sent_at)
                statuses.add(response["statusCode"])
            next_processor.append((sandbox.processor_time() - first_processor[-1]) / FURTHER_CALLS)
            peaks.append(sandbox.peak_memory())
    times = [1000 * statistics.median(series) for series in (first, first_processor, next_times, next_processor)]
    return times, max(peaks), "/".join(str(status) for status in sorted(statuses))


def start_waiting_order(commands, folder):
    """Starts an order that waits for its payment, so that its address can be changed at any time. Returns its id."""
    if "start" not in commands:
        return "order-sample"
    event = make_event("start", "")
    body = json.loads(event["body"])
    del body["payment"]
    event["body"] = json.dumps(body)
    with Sandbox("start", commands["start"], folder) as sandbox:
        response, _ = sandbox.call(event)
        return json.loads(response["body"])["order_id"]


def zip_size(program):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.write(program, "bootstrap")
    return archive.tell()


def main(folder, scratch):
    commands = find_commands(folder)
    runnable = {name: command for name, command in commands.items() if processor_of(command[0]) == platform.machine()}
    order = start_waiting_order(runnable, scratch)
    failures = []
    times = f"{'first ms':>10}{'processor':>11}{'next ms':>9}{'processor':>11}"
    print(f"{'function':9}{'bytes':>11}{'zip bytes':>11}{times}{'peak bytes':>12}  statuses")
    for name, command in commands.items():
        zip_bytes = zip_size(command[0])
        line = f"{name:9}{pathlib.Path(command[0]).stat().st_size:>11,}{zip_bytes:>11,}"
        if zip_bytes > ZIP_LIMIT:
            failures.append(f"{name}: its zip has {zip_bytes:,} bytes; at most {ZIP_LIMIT:,} are allowed")
        if name not in API:
            print(f"{line}  not run: only CloudFormation calls it")
            continue
        if name not in runnable:
            print(f"{line}  not run: built for {processor_of(command[0])}")
            continue
        (first, first_processor, following, next_processor), peak, statuses = measure(name, command, scratch, order)
        times = f"{first:>10.1f}{first_processor:>11.1f}{following:>9.1f}{next_processor:>11.2f}"
        print(f"{line}{times}{peak:>12,}  {statuses}", flush=True)
        if name == "start" and peak > MEMORY_LIMIT:
            failures.append(f"{name}: used {peak:,} bytes of memory; at most {MEMORY_LIMIT:,} are allowed")
    sys.exit("\n".join(failures) or None)


if __name__ == "__main__":
    # Exits through the `with` blocks, so that they stop the started programs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as scratch:
        main(sys.argv[1], pathlib.Path(scratch))
