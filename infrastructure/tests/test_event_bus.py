"""The event bus that receives messages: only the worker may put events on it, with requests that AWS accepts."""

import json
import re
import unittest

import botocore.session
from botocore.serialize import create_serializer

from templates import EVERYTHING, PROJECT, deployment, document, main_template, nested_template

BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/shop"


def grants(template):
    """Returns the roles that may call EventBridge, with their statements."""
    roles = template.of_type("AWS::IAM::Role").items()
    statements = [(name, each) for name, role in roles for policy in role.get("Policies", []) for each in policy["PolicyDocument"]["Statement"]]
    return [(name, each) for name, each in statements if "events:" in str(each["Action"])]


class EventBus(unittest.TestCase):
    def test_only_the_worker_may_put_events_on_this_bus_only(self):
        found = [
            (path, *grant)
            for path, template in deployment(**EVERYTHING | {"EventBusName": "shop"}).items()
            for grant in grants(template)
        ]
        statement = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS}
        self.assertEqual(found, [("infrastructure/worker.yaml", "WorkerRole", statement)])

    def test_no_role_may_put_events_without_a_bus(self):
        templates = deployment(**EVERYTHING | {"EventBusName": ""}).values()
        self.assertEqual([grant for template in templates for grant in grants(template)], [])

    def test_worker_has_the_name_and_operators_do_not(self):
        worker = nested_template("worker", main_template(EventBusName="shop"))
        variables = {
            name: {each["Name"]: each["Value"] for each in task["ContainerDefinitions"][0]["Environment"]}
            for name, task in worker.of_type("AWS::ECS::TaskDefinition").items()
        }
        self.assertEqual(variables["Worker"]["EVENT_BUS_NAME"], "shop")
        self.assertNotIn("EVENT_BUS_NAME", variables["Operate"])

    def test_request_of_the_worker_is_that_of_botocore(self):
        # A test of the crate compares the worker's request with this file.
        sample = json.loads((PROJECT / "crates/aws/src/event_bus/put-events.json").read_text())
        service = botocore.session.get_session().get_service_model("events", "2015-10-07")
        serializer = create_serializer(service.metadata["protocol"], include_validation=True)
        request = serializer.serialize_to_request(sample, service.operation_model("PutEvents"))
        self.assertEqual(json.loads(request["body"]), sample)
        self.assertEqual(request["headers"]["X-Amz-Target"], "AWSEvents.PutEvents")
        self.assertEqual(request["headers"]["Content-Type"], "application/x-amz-json-1.1")

    def test_name_selects_one_bus(self):
        pattern = document("template.yaml")["Parameters"]["EventBusName"]["AllowedPattern"]
        for name in ("", "default", "shop", "aws.partner/example.com/shop"):
            self.assertTrue(re.fullmatch(pattern, name), name)
        for name in ("*", "shop*", "sho?", BUS, "a shop", "${Stage}"):
            self.assertIsNone(re.fullmatch(pattern, name), name)
