"""The programs of the functions, their environment variables, and the sample events.

    functions.py FOLDER     Prints the name and the program of each function in FOLDER. This machine must be able to run them.
"""

import json
import os
import pathlib
import platform
import sys

EVENTS = pathlib.Path(__file__).resolve().parent / "events"
# The secret that signs the sample webhook events.
WEBHOOK_SECRET = "sample-secret"
# The processors by their number in an ELF header.
MACHINES = {62: "x86_64", 183: "aarch64"}
API = ("start", "signal", "query", "events", "admin", "webhook", "web")
# `migrate` is called by CloudFormation only.
NAMES = (*API, "migrate")


def find_commands(path, names=NAMES):
    """Returns the command of each function of `names` that exists at `path`.

    `path` is an output folder of `sam build`, `cargo lambda build` or `cargo build`, or one program that contains all
    functions, as the tests build it.
    """
    path = pathlib.Path(path).resolve()
    if path.is_file():
        return {name: [str(path), name] for name in names}
    commands = {}
    for name in names:
        candidates = (path / f"{name.capitalize()}Function" / "bootstrap", path / name / "bootstrap", path / name)
        program = next((candidate for candidate in candidates if candidate.is_file()), None)
        if program:
            commands[name] = [str(program)]
    return commands or sys.exit(f"{path}: contains no function; build the functions first")


def processor_of(program):
    """Returns the processor that the program is built for."""
    with open(program, "rb") as file:
        header = file.read(20)
    return MACHINES.get(header[18], "another processor") if header[:4] == b"\x7fELF" else platform.machine()


def print_programs(folder):
    commands = find_commands(folder)
    for name in NAMES:
        if name not in commands:
            sys.exit(f"{folder}: the function {name} is missing; build all functions")
        program = commands[name][0]
        if processor_of(program) != platform.machine():
            sys.exit(f"{program}: is for {processor_of(program)}; build it for {platform.machine()}, which this machine has")
        print(name, program)


def base_environment():
    """Returns the variables of this shell, with defaults and the secret of the sample events."""
    defaults = {"API_AUTH": "none", "LOG_FORMAT": "json"}
    return defaults | os.environ | {"WEBHOOK_SECRETS_CHECKOUT": WEBHOOK_SECRET}


def lambda_environment(name, runtime_api):
    """Returns the base environment and the variables that Lambda sets for a function."""
    return base_environment() | {
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
    }


def read_sample_event(name):
    return json.loads((EVENTS / name).read_text())


if __name__ == "__main__":
    print_programs(sys.argv[1])
