"""The functions as programs, what Lambda tells them, and what the sample events call."""

import json
import os
import pathlib
import sys

EVENTS = pathlib.Path(__file__).resolve().parent / "events"
# With it the sample notifications are signed.
WEBHOOK_SECRET = "sample-secret"
NAMES = ("start", "signal", "query", "events", "webhook", "web")


def programs(where):
    """The command of each function that is there: in a folder as `sam build`, `cargo lambda build` or `cargo build`
    leaves it, or in one program that is all of them, as the tests build it."""
    where = pathlib.Path(where).resolve()
    if where.is_file():
        return {name: [str(where), name] for name in NAMES}
    found = {}
    for name in NAMES:
        built = (where / f"{name.capitalize()}Function" / "bootstrap", where / name / "bootstrap", where / name)
        program = next((each for each in built if each.is_file()), None)
        if program:
            found[name] = [str(program)]
    return found or sys.exit(f"no function is in {where}")


def as_set():
    """What this shell is set to, and what the samples need."""
    unless_set = {"API_AUTH": "none", "LOG_FORMAT": "json"}
    return unless_set | os.environ | {"WEBHOOK_SECRETS_CHECKOUT": WEBHOOK_SECRET}


def environment(name, runtime_api):
    """And what Lambda tells a function of itself."""
    return as_set() | {
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
    }


def sample(name):
    return json.loads((EVENTS / name).read_text())
