"""The function that runs the migrations for CloudFormation. Its code is in worker.yaml."""

import types
import unittest
from unittest import mock

from templates import document

TASK = "arn:aws:ecs:eu-central-1:123456789012:task-definition/orderflow-migrate"
PROPERTIES = {"Cluster": "cluster", "Subnets": ["subnet-a", "subnet-b"], "Group": "sg-1"}


class Migrator(unittest.TestCase):
    def setUp(self):
        self.ecs = mock.Mock()
        self.ecs.run_task.return_value = {"failures": [], "tasks": [{"taskArn": "task-1"}]}
        self.end_task(0)
        self.responses = []
        self.now = 0

    def end_task(self, exit_code):
        task = {"lastStatus": "STOPPED", "containers": [{"name": "migrate", "exitCode": exit_code}]}
        self.ecs.describe_tasks.return_value = {"tasks": [task]}

    def sleep(self, seconds):
        self.now += seconds

    def send(self, _event, _context, status, _data, physical_id, reason=""):
        self.assertEqual(physical_id, "migration")
        self.responses.append((status, reason))

    def call(self, request="Create", new=1, old=None):
        """Sends a request of CloudFormation and returns the response: a status and a reason."""
        event = {
            "RequestType": request,
            "RequestId": "5f2c",
            "ResourceProperties": PROPERTIES | {"Task": f"{TASK}:{new}"},
        }
        if old is not None:
            event["OldResourceProperties"] = PROPERTIES | {"Task": f"{TASK}:{old}"}
        modules = {
            "boto3": types.SimpleNamespace(client=lambda _: self.ecs),
            "cfnresponse": types.SimpleNamespace(SUCCESS="SUCCESS", FAILED="FAILED", send=self.send),
            "time": types.SimpleNamespace(time=lambda: self.now, sleep=self.sleep),
        }
        code = document("infrastructure/worker.yaml")["Resources"]["Migrator"]["Properties"]["Code"]["ZipFile"]
        names = {}
        with mock.patch.dict("sys.modules", modules):
            exec(compile(code, "index.py", "exec"), names)
        names["handler"](event, None)
        self.assertEqual(len(self.responses), 1)
        return self.responses[0]

    def tokens(self):
        return [call.kwargs["clientToken"] for call in self.ecs.run_task.call_args_list]

    def test_creation_runs_the_task(self):
        self.assertEqual(self.call(), ("SUCCESS", ""))
        arguments = self.ecs.run_task.call_args.kwargs
        self.assertEqual(arguments["taskDefinition"], f"{TASK}:1")
        network = arguments["networkConfiguration"]["awsvpcConfiguration"]
        self.assertEqual(network, {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"})

    def test_newer_task_definition_runs_the_task(self):
        self.assertEqual(self.call("Update", new=10, old=9), ("SUCCESS", ""))
        self.assertEqual(self.ecs.run_task.call_args.kwargs["taskDefinition"], f"{TASK}:10")

    def test_rollback_succeeds_without_the_task(self):
        self.ecs.run_task.side_effect = RuntimeError("the old program refuses the schema")
        self.assertEqual(self.call("Update", new=9, old=10), ("SUCCESS", ""))
        self.ecs.run_task.assert_not_called()

    def test_same_task_definition_runs_no_task(self):
        self.assertEqual(self.call("Update", new=9, old=9), ("SUCCESS", ""))
        self.ecs.run_task.assert_not_called()

    def test_deletion_runs_no_task(self):
        self.assertEqual(self.call("Delete"), ("SUCCESS", ""))
        self.ecs.run_task.assert_not_called()

    def test_failed_task_is_a_failure(self):
        self.end_task(1)
        status, reason = self.call("Update", new=2, old=1)
        self.assertEqual(status, "FAILED")
        self.assertIn("{'migrate': 1}", reason)

    def test_task_without_exit_code_is_a_failure(self):
        self.end_task(None)
        self.assertEqual(self.call()[0], "FAILED")

    def test_task_that_does_not_end_is_stopped(self):
        self.ecs.describe_tasks.return_value = {"tasks": [{"lastStatus": "RUNNING"}]}
        status, reason = self.call()
        self.assertEqual(status, "FAILED")
        self.assertIn("more than 14 minutes", reason)
        self.assertEqual(self.ecs.stop_task.call_args.kwargs["task"], "task-1")
        # The function itself ends after 900 s.
        self.assertLess(self.now, 880)

    def test_transient_problems_are_retried(self):
        started = self.ecs.run_task.return_value
        for problem in (
            RuntimeError("(InvalidParameterException): Unable to assume the service linked role."),
            RuntimeError("(AccessDeniedException): not authorized to perform: ecs:RunTask"),
            {"failures": [{"reason": "Capacity is unavailable at this time."}], "tasks": []},
        ):
            with self.subTest(problem=problem):
                self.responses.clear()
                self.ecs.run_task.reset_mock()
                self.ecs.run_task.side_effect = [problem, started]
                self.assertEqual(self.call(), ("SUCCESS", ""))
                self.assertEqual(self.tokens(), ["5f2c-0", "5f2c-1"])

    def test_retries_are_bounded(self):
        self.ecs.run_task.side_effect = RuntimeError("Unable to assume the service linked role.")
        status, reason = self.call()
        self.assertEqual(status, "FAILED")
        self.assertIn("service linked role", reason)
        self.assertEqual(len(self.tokens()), 6)
        self.assertLessEqual(self.now, 120)

    def test_permanent_problem_is_not_retried(self):
        self.ecs.run_task.side_effect = RuntimeError("(ClientException): TaskDefinition is inactive")
        status, reason = self.call()
        self.assertEqual(status, "FAILED")
        self.assertIn("inactive", reason)
        self.assertEqual(len(self.tokens()), 1)
