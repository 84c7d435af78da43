"""The REST API: routes that require a key of API Gateway, the usage plan, the domain name and the access log."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from cloudformation import load
from sam_transform import transform
from templates import PROJECT, REQUIRED, ROOT, main_template


def methods(template):
    """Returns, for each method of the API, whether it requires a key."""
    [api] = [each for each in template["Resources"].values() if each["Type"] == "AWS::ApiGateway::RestApi"]
    found = {}
    for path, operations in api["Properties"]["Body"]["paths"].items():
        for method, operation in operations.items():
            found[method, path] = {"api_key": []} in operation.get("security", [])
    return found


class Keys(unittest.TestCase):
    def transformed(self, required):
        path = ROOT / "template.yaml"
        if not required:
            return transform(load(path), REQUIRED)
        script = str(PROJECT / "infrastructure/gateway-keys.sh")
        text = subprocess.run([script, str(path)], capture_output=True, text=True, check=True).stdout
        with tempfile.TemporaryDirectory() as folder:
            changed = pathlib.Path(folder) / "template.yaml"
            changed.write_text(text)
            return transform(load(changed), REQUIRED | {"GatewayApiKeys": "required"})

    def test_no_route_requires_a_key_by_default(self):
        found = methods(self.transformed(required=False))
        self.assertGreater(len(found), 40)
        self.assertEqual([route for route, needs_key in found.items() if needs_key], [])

    def test_exactly_routes_of_orders_and_payments_require_a_key(self):
        for (method, path), needs_key in methods(self.transformed(required=True)).items():
            with self.subTest(f"{method} {path}"):
                private = path.startswith(("/orders", "/payments")) and method != "x-amazon-apigateway-any-method"
                self.assertEqual(needs_key, private)

    def test_both_templates_have_the_same_routes(self):
        self.assertEqual(set(methods(self.transformed(True))), set(methods(self.transformed(False))))

    def test_usage_plan_has_the_limits_of_a_key(self):
        template = main_template(GatewayApiKeys="required", KeyCallsPerSecond="7", KeyCallsPerDay="900")
        plan = template.properties("UsagePlan")
        self.assertEqual(plan["Throttle"], {"RateLimit": "7", "BurstLimit": "7"})
        self.assertEqual(plan["Quota"], {"Limit": "900", "Period": "DAY"})
        self.assertFalse(main_template().exists("UsagePlan"))


class Domain(unittest.TestCase):
    DOMAIN = {"DomainName": "api.example.com", "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/a"}

    def test_zone_gets_records_for_both_versions_of_ip(self):
        records = main_template(HostedZoneId="Z1", **self.DOMAIN).of_type("AWS::Route53::RecordSet").values()
        self.assertEqual({record["Type"] for record in records}, {"A", "AAAA"})
        self.assertEqual({record["Name"] for record in records}, {"api.example.com"})

    def test_zone_elsewhere_gets_the_target_as_an_output(self):
        template = main_template(**self.DOMAIN)
        self.assertEqual(template.of_type("AWS::Route53::RecordSet"), {})
        output = template.document["Outputs"]["DomainTarget"]
        self.assertEqual(template.evaluate(output["Value"]), "Domain.RegionalDomainName")
        self.assertTrue(template.has_condition(output["Condition"]))
        self.assertFalse(main_template().has_condition(output["Condition"]))


class AccessLog(unittest.TestCase):
    def test_log_identifies_a_caller_without_personal_data(self):
        log = json.loads(main_template().properties("Api")["AccessLogSetting"]["Format"])
        self.assertEqual(log["key_id"], "$context.identity.apiKeyId")
        self.assertNotIn("sourceIp", str(log))


class Responses(unittest.TestCase):
    def test_gateway_timeout_keeps_its_status(self):
        responses = main_template().properties("Api")["GatewayResponses"]
        self.assertEqual(responses["INTEGRATION_TIMEOUT"]["StatusCode"], 504)
        body = json.loads(responses["INTEGRATION_TIMEOUT"]["ResponseTemplates"]["application/json"])
        self.assertEqual(body["status"], 504)

    def test_each_body_has_the_status_of_its_response(self):
        for name, response in main_template().properties("Api")["GatewayResponses"].items():
            with self.subTest(name):
                self.assertEqual(json.loads(response["ResponseTemplates"]["application/json"])["status"], response["StatusCode"])
