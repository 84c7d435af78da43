"""A function in a process gets invocations and ends as on Lambda. Needs `curl`."""

import json
import os
import pathlib
import tempfile
import unittest

from function_process import FunctionProcess

# Returns the payload in a chunked response. Hangs, exits or reports an error if the payload requests it.
BOOTSTRAP = """#!/bin/bash
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
    event=$(curl -sS -D headers "$api/next") || exit 1
    id=$(tr -d '\\r' <headers | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //p')
    echo "event $event"
    end=response
    case $event in
        *hang*) sleep 60 & echo $! >child; wait ;;
        *exit*) exit 3 ;;
        *refuse*) end=error ;;
    esac
    curl -sS -H 'Transfer-Encoding: chunked' -d "$event" "$api/$id/$end"
done
"""


class Processes(unittest.TestCase):
    def start(self, bootstrap=BOOTSTRAP):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        program = self.folder / "bootstrap"
        program.write_text(bootstrap)
        program.chmod(0o755)
        process = FunctionProcess(self.folder, {"PATH": os.environ["PATH"]}, self.folder / "log")
        self.addCleanup(process.stop)
        return process

    def invoke(self, process, event, seconds=20):
        payload = {"invoke-id": f"id-{event}", "invoked-function-arn": "arn", "payload": json.dumps(event)}
        body, is_error, log = process.invoke(payload, seconds)
        return json.loads(body), is_error, log

    def test_invocations_are_answered_in_order_with_their_logs(self):
        process = self.start()
        self.assertTrue(process.wait_until_ready())
        for event in ("first", "second"):
            self.assertEqual(self.invoke(process, event), (event, False, f'event "{event}"\n'))
        self.assertEqual((self.folder / "log").read_text(), 'event "first"\nevent "second"\n')

    def test_error_of_the_function_is_an_error(self):
        process = self.start()
        self.assertEqual(self.invoke(process, "refuse")[:2], ("refuse", True))

    def test_exit_ends_the_invocation(self):
        process = self.start()
        response, is_error, _ = self.invoke(process, "exit")
        self.assertEqual((response["errorType"], is_error), ("Runtime.ExitError", True))
        self.assertIn("3", response["errorMessage"])
        self.assertFalse(process.is_running())

    def test_time_out_ends_the_process_and_its_children(self):
        process = self.start()
        self.assertTrue(process.wait_until_ready())
        response, is_error, _ = self.invoke(process, "hang", seconds=1)
        self.assertEqual((response["errorType"], is_error), ("Sandbox.Timedout", True))
        self.assertFalse(process.is_running())
        child = pathlib.Path("/proc", (self.folder / "child").read_text().strip(), "cmdline")
        self.assertNotIn("sleep", child.read_text() if child.exists() else "")

    def test_function_that_exits_at_its_start_is_not_ready(self):
        process = self.start("#!/bin/sh\necho no setting\nexit 1\n")
        self.assertFalse(process.wait_until_ready())
        self.assertEqual(process.read_log(), "no setting\n")
