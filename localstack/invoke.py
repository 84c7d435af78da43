"""Sends every sample event to its function with `cargo lambda invoke`. Started by invoke.sh."""

import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib

from functions import API, EVENTS, base_environment, find_commands, lambda_environment, read_sample_event

# Time limits for a response, in seconds: of a running function, and of a function that is compiled first.
RESPONSE_TIMEOUT = 60
COMPILATION_TIMEOUT = 3600


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextlib.contextmanager
def run_program(command, log, **options):
    """Runs a program until the `with` block ends."""
    process = subprocess.Popen(command, stdout=log, stderr=log, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(process, port):
    while process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("cargo lambda watch: exited before it listened")


def find_function(root, name):
    """Returns the function for a sample event, by the routes of `cargo lambda watch`."""
    event = read_sample_event(name.replace(".http.", ".rest."))
    workspace = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]
    route = workspace["metadata"]["lambda"]["watch"]["router"][event["resource"].replace("{path+}", "{*path}")]
    if isinstance(route, str):
        return route
    return next(entry["function"] for entry in route if entry["method"] == event["httpMethod"])


def invoke(port, function, name):
    """Sends a sample event. Returns the status and the body of the response, or "none" and the output."""
    command = ["cargo", "lambda", "invoke", function, "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    result = subprocess.run([*command, "--data-file", EVENTS / name], capture_output=True, text=True)
    try:
        response = json.loads(result.stdout)
        # API Gateway requires these fields in a response.
        assert isinstance(response["statusCode"], int) and isinstance(response["body"], str)
        assert isinstance(response["isBase64Encoded"], bool) and isinstance(response["headers"], dict)
    except (ValueError, KeyError, TypeError, AssertionError):
        return "none", result.stdout + result.stderr
    return response["statusCode"], response["body"]


def main(root, built):
    port = find_free_port()
    watch = ["cargo", "lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    with contextlib.ExitStack() as cleanup:
        log = cleanup.enter_context(tempfile.TemporaryFile("w+"))
        scratch = cleanup.enter_context(tempfile.TemporaryDirectory())
        # Without a time-out, a call waits without end if its function exits at the start.
        watch += (
            ["--timeout", str(RESPONSE_TIMEOUT), "--only-lambda-apis"] if built
            else ["--timeout", str(COMPILATION_TIMEOUT), "--ignore-changes"]
        )
        wait_for_port(cleanup.enter_context(run_program(watch, log, cwd=root, env=base_environment())), port)
        for name, command in (find_commands(built, API) if built else {}).items():
            variables = lambda_environment(name, f"http://127.0.0.1:{port}/.rt/{name}")
            cleanup.enter_context(run_program(command, log, cwd=scratch, env=variables))
        failures, statuses = 0, collections.Counter()
        # The event that starts the sample order is first, because other events need this order.
        names = sorted(path.name for path in EVENTS.glob("*.json"))
        for name in sorted(names, key=lambda name: name != "start-order.rest.json"):
            function = find_function(root, name)
            status, body = invoke(port, function, name)
            statuses[status] += 1
            print(f"  {status} {function} {name}", flush=True)
            # The endpoint, the refund and the return of the samples do not exist.
            is_unknown = re.search("(endpoint|refund|return)_not_found", body)
            if status != 409 and status not in range(200, 300) and not is_unknown:
                failures += 1
                print(body, file=sys.stderr)
        if failures:
            log.seek(0)
            sys.stderr.write("".join(log.readlines()[-40:]))
            sys.exit(f"{failures} events have a wrong response; expected 2xx or 409")
        counts = ", ".join(f"{count} times {status}" for status, count in statuses.items())
        print(f"{statuses.total()} events: {counts}")


if __name__ == "__main__":
    # Exits through the `with` blocks, so that they stop the started programs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
