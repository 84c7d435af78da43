"""A process of a function with its runtime API, as one execution environment of Lambda."""

import collections
import json
import os
import signal
import subprocess
import threading

from runtime_api import RuntimeApi

STARTUP_SECONDS = 30
LOG_LINES = 1000


class FunctionProcess:
    def __init__(self, folder, variables, log_file):
        self.api = RuntimeApi()
        self.log = collections.deque(maxlen=LOG_LINES)
        self.program = subprocess.Popen(
            [folder / "bootstrap"],
            cwd=folder,
            env=variables | {"AWS_LAMBDA_RUNTIME_API": self.api.address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A function may start further processes, which end with it.
            start_new_session=True,
        )
        threading.Thread(target=self.watch, args=(log_file,), daemon=True).start()

    def wait_until_ready(self):
        """Returns whether the function runs and waits for its first invocation."""
        return self.api.ready.wait(STARTUP_SECONDS) and self.is_running()

    def invoke(self, payload, seconds):
        """Returns the response to an invocation, whether it is an error, and the log lines since the last invocation."""
        try:
            body, is_error = self.api.invoke(payload, seconds)
        except TimeoutError:
            self.kill()
            body, is_error = error("Sandbox.Timedout", f"Task timed out after {seconds} seconds")
        log = self.read_log()
        self.log.clear()
        return body, is_error, log

    def read_log(self):
        return "".join(self.log)

    def is_running(self):
        return self.program.poll() is None

    def stop(self):
        self.kill()
        self.api.close()

    def kill(self):
        try:
            os.killpg(self.program.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.program.wait()

    def watch(self, log_file):
        """Copies the log lines until the process ends. Then ends the current invocation."""
        with log_file.open("a", buffering=1) as copy:
            for line in self.program.stdout:
                self.log.append(line)
                copy.write(line)
        self.program.wait()
        self.api.ready.set()
        self.api.respond(*error("Runtime.ExitError", f"the function exited: {self.program.returncode}"))


def error(kind, message):
    return json.dumps({"errorType": kind, "errorMessage": message}).encode(), True
