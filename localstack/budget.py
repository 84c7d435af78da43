"""Runs each function of FOLDER under a runtime API, as Lambda does, and prints what it takes; budget.sh says how.

Times are medians over fresh processes. Processor time is what Lambda's share of a core makes longer: with 256 MB, which
are a seventh of one, seven times. Memory is the highest that a process ever had, of all processes."""

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

from functions import WEBHOOK_SECRET, environment, programs, sample

ZIP_LIMIT = 5_000_000
MEMORY_LIMIT = 32_000_000
PROCESSES = 7
CALLS_AFTER = 10
PATIENCE = 60
# As the head of a Linux program numbers them.
MACHINES = {62: "x86_64", 183: "aarch64"}


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """Hands over events, and notes when each left and when its answer came."""

    protocol_version = "HTTP/1.1"
    # Or half of an answer waits for the acknowledgement of the other.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        event = self.server.events.get()
        self.server.left = time.perf_counter()
        self.say(200, event, {
            "Lambda-Runtime-Aws-Request-Id": secrets.token_hex(8),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + PATIENCE) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:budget",
        })

    def do_POST(self):
        answer = self.rfile.read(int(self.headers["Content-Length"]))
        came = time.perf_counter()
        self.say(202, b"{}", {})
        self.server.answers.put((self.path, answer, came))

    def say(self, status, body, headers):
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
        """A function is killed while it waits for its next event."""


class Sandbox:
    """One process of a function, from its start to its end."""

    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), RuntimeApi)
        self.server.events, self.server.answers = queue.Queue(), queue.Queue()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.log = open(self.folder / "log", "w+")
        told = environment(self.name, f"127.0.0.1:{self.server.server_port}")
        self.started = time.perf_counter()
        # In a folder without an .env.
        self.process = subprocess.Popen(self.command, env=told, cwd=self.folder, stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()
        self.log.close()

    def call(self, event):
        """The answer, and when it came."""
        self.server.events.put(json.dumps(event).encode())
        end = time.time() + PATIENCE
        while True:
            try:
                path, answer, came = self.server.answers.get(timeout=0.2)
                break
            except queue.Empty:
                if self.process.poll() is not None or time.time() > end:
                    self.fail("no answer")
        answer = json.loads(answer)
        if not path.endswith("/response") or answer["statusCode"] >= 500:
            self.fail(answer)
        return answer, came

    def fail(self, words):
        self.log.seek(0)
        sys.exit(f"{self.name}: {words}\n{self.log.read()}")

    def processor_time(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def peak_memory(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def event_for(name, order):
    """A call that the function has work with, and that may come often."""
    files = {
        "start": "create-order", "signal": "update-address", "query": "get-status", "events": "list-events",
        "webhook": "webhook", "web": "documentation",
    }
    text = json.dumps(sample(f"{files[name]}.rest.json"))
    # Each start is an order of its own.
    event = json.loads(text.replace("order-sample", order).replace("sample-1", secrets.token_hex(8)))
    if name == "webhook":
        # One by itself each time, of a type that moves no money.
        body = json.dumps({"id": f"evt_{secrets.token_hex(8)}", "type": "dispute_evidence_required"}).encode()
        event["body"] = base64.b64encode(body).decode()
        signature = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        for headers, value in ((event["headers"], signature), (event["multiValueHeaders"], [signature])):
            headers["Cko-Signature"] = value
    return event


def measure(name, command, folder, order):
    first, first_processor, after, after_processor, peaks, statuses = [], [], [], [], [], set()
    for _ in range(PROCESSES):
        with Sandbox(name, command, folder) as sandbox:
            answer, came = sandbox.call(event_for(name, order))
            first.append(came - sandbox.started)
            first_processor.append(sandbox.processor_time())
            statuses.add(answer["statusCode"])
            for _ in range(CALLS_AFTER):
                answer, came = sandbox.call(event_for(name, order))
                after.append(came - sandbox.server.left)
                statuses.add(answer["statusCode"])
            after_processor.append((sandbox.processor_time() - first_processor[-1]) / CALLS_AFTER)
            peaks.append(sandbox.peak_memory())
    times = [1000 * statistics.median(each) for each in (first, first_processor, after, after_processor)]
    return times, max(peaks), "/".join(str(each) for each in sorted(statuses))


def waiting_order(commands, folder):
    """An order that waits for its payment, so that it can be asked at any time to go elsewhere."""
    if "start" not in commands:
        return "order-sample"
    event = event_for("start", "")
    body = json.loads(event["body"])
    del body["payment"]
    event["body"] = json.dumps(body)
    with Sandbox("start", commands["start"], folder) as sandbox:
        answer, _ = sandbox.call(event)
        return json.loads(answer["body"])["order_id"]


def zipped(program):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.write(program, "bootstrap")
    return archive.tell()


def machine(program):
    with open(program, "rb") as file:
        head = file.read(20)
    return MACHINES.get(head[18], "another machine") if head[:4] == b"\x7fELF" else platform.machine()


def main(folder, scratch):
    commands = programs(folder)
    runnable = {name: command for name, command in commands.items() if machine(command[0]) == platform.machine()}
    order = waiting_order(runnable, scratch)
    wrong = []
    times = f"{'first ms':>10}{'processor':>11}{'next ms':>9}{'processor':>11}"
    print(f"{'function':9}{'bytes':>11}{'zip bytes':>11}{times}{'peak bytes':>12}  answers")
    for name, command in commands.items():
        weight = zipped(command[0])
        line = f"{name:9}{pathlib.Path(command[0]).stat().st_size:>11,}{weight:>11,}"
        if weight > ZIP_LIMIT:
            wrong.append(f"the zip of {name} has more than {ZIP_LIMIT:,} bytes")
        if name not in runnable:
            print(f"{line}  not run here: built for {machine(command[0])}")
            continue
        (first, to_first, after, to_next), peak, statuses = measure(name, command, scratch, order)
        times = f"{first:>10.1f}{to_first:>11.1f}{after:>9.1f}{to_next:>11.2f}"
        print(f"{line}{times}{peak:>12,}  {statuses}", flush=True)
        if name == "start" and peak > MEMORY_LIMIT:
            wrong.append(f"{name} takes more than {MEMORY_LIMIT:,} bytes of memory")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    # So that what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as scratch:
        main(sys.argv[1], pathlib.Path(scratch))
