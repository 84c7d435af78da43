"""Has `cargo lambda invoke` send every sample event to its function; invoke.sh says how."""

import collections
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib

from functions import EVENTS, as_set, environment, programs, sample

# Seconds for an answer: of a function that runs, and of one that may have to be compiled first.
ANSWER = 60
COMPILATION = 3600


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextlib.contextmanager
def running(command, log, **named):
    """A program, until the block ends."""
    process = subprocess.Popen(command, stdout=log, stderr=log, **named)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_it_listens(process, port):
    while process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("cargo lambda watch ended")


def function_of(root, name):
    """As the router of `cargo lambda watch` has it."""
    rest = sample(name.replace(".http.", ".rest."))
    workspace = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]
    served = workspace["metadata"]["lambda"]["watch"]["router"][rest["resource"].replace("{path+}", "{*path}")]
    if isinstance(served, str):
        return served
    return next(each["function"] for each in served if each["method"] == rest["httpMethod"])


def invoke(port, function, name):
    command = ["cargo", "lambda", "invoke", function, "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    done = subprocess.run([*command, "--data-file", EVENTS / name], capture_output=True, text=True)
    try:
        answer = json.loads(done.stdout)
        # What API Gateway takes for an answer.
        assert isinstance(answer["statusCode"], int) and isinstance(answer["body"], str)
        assert isinstance(answer["isBase64Encoded"], bool) and isinstance(answer["headers"], dict)
    except (ValueError, KeyError, TypeError, AssertionError):
        return "none", done.stdout + done.stderr
    return answer["statusCode"], answer["body"]


def main(root, built):
    port = free_port()
    watch = ["cargo", "lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    with contextlib.ExitStack() as started:
        log = started.enter_context(tempfile.TemporaryFile("w+"))
        scratch = started.enter_context(tempfile.TemporaryDirectory())
        # With a time-out a function that ended at its start leaves nobody waiting.
        watch += (
            ["--timeout", str(ANSWER), "--only-lambda-apis"] if built
            else ["--timeout", str(COMPILATION), "--ignore-changes"]
        )
        until_it_listens(started.enter_context(running(watch, log, cwd=root, env=as_set())), port)
        for name, command in (programs(built) if built else {}).items():
            told = environment(name, f"http://127.0.0.1:{port}/.rt/{name}")
            started.enter_context(running(command, log, cwd=scratch, env=told))
        wrong, statuses = 0, collections.Counter()
        # The order that others ask for comes first.
        names = sorted(each.name for each in EVENTS.glob("*.json"))
        for name in sorted(names, key=lambda name: name != "start-order.rest.json"):
            function = function_of(root, name)
            status, words = invoke(port, function, name)
            statuses[status] += 1
            print(f"  {status} {function} {name}", flush=True)
            if status != 409 and status not in range(200, 300):
                wrong += 1
                print(words, file=sys.stderr)
        if wrong:
            log.seek(0)
            sys.stderr.write("".join(log.readlines()[-40:]))
            sys.exit(f"{wrong} events were not answered as they should be")
        counts = ", ".join(f"{count} times {status}" for status, count in statuses.items())
        print(f"{statuses.total()} events: {counts}")


if __name__ == "__main__":
    # So that what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
