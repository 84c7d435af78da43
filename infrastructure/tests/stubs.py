"""Runs a script with stubs in place of programs such as `aws`. A stub records its arguments and prints a response."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from templates import PROJECT

STUB = """#!{python} -SE
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
call = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(folder / "calls", "a") as file:
    file.write(json.dumps(call) + chr(10))
line = " ".join(call)
for text, output, status in json.loads((folder / "responses").read_text()):
    if text in line:
        print(output)
        sys.exit(status)
"""


def copy_project(test):
    """Returns a folder with the files that the scripts use, for a script that writes into its project."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    project = pathlib.Path(folder.name)
    shutil.copytree(PROJECT / "infrastructure", project / "infrastructure")
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(PROJECT / name, project / name)
    return project


class Result:
    def __init__(self, process, calls):
        self.status = process.returncode
        self.output = process.stdout
        self.calls = calls

    def calls_of(self, *words):
        """Returns the calls whose first arguments are `words`."""
        return [call for call in self.calls if call[: len(words)] == list(words)]


def run(script, arguments, responses, programs=("aws", "docker", "sam", "git"), scripts={}, variables={}):
    """Runs `script`. The first of `responses` (text, output, status) whose text is in a call determines its response.

    `scripts` replaces programs by shell scripts, and `variables` are added to the environment.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for program in programs:
            stub = folder / program
            stub.write_text(STUB.format(python=sys.executable, folder=name))
            stub.chmod(0o755)
        (folder / "responses").write_text(json.dumps(responses))
        for program, text in scripts.items():
            (folder / program).write_text(f"#!/bin/sh\n{text}\n")
            (folder / program).chmod(0o755)
        environment = os.environ | {"PATH": f"{name}:{os.environ['PATH']}"} | variables
        process = subprocess.run(
            [script, *arguments], env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        calls = folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return Result(process, [json.loads(line) for line in lines])
