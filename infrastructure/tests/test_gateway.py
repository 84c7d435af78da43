"""The REST API: routes that require a key of API Gateway, the usage plan, the domain name and the access log."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from cloudformation import load
from sam_transform import transform
from templates import PROJECT, REQUIRED, ROOT, main_template, transformed_template


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

    def test_exactly_routes_of_orders_payments_and_statistics_require_a_key(self):
        for (method, path), needs_key in methods(self.transformed(required=True)).items():
            with self.subTest(f"{method} {path}"):
                private = path.startswith(("/orders", "/payments", "/stats")) and method != "x-amazon-apigateway-any-method"
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
    def read_line(self, **parameters):
        """Returns a line of the log. API Gateway replaces the variables; one of them is a number, of which a metric is made."""
        text = main_template(**parameters).properties("Api")["AccessLogSetting"]["Format"]
        return json.loads(text.replace(":$context.responseLatency", ":12"))

    def test_address_of_a_caller_is_logged_only_on_request(self):
        log = self.read_line(LogAddresses="true")
        self.assertEqual(log.pop("address"), "$context.identity.sourceIp")
        self.assertEqual(log, self.read_line())

    def test_log_identifies_a_caller_without_personal_data(self):
        log = self.read_line()
        self.assertEqual(log["latency_ms"], 12)
        self.assertEqual(log["key_id"], "$context.identity.apiKeyId")
        self.assertNotIn("sourceIp", str(log))


class Responses(unittest.TestCase):
    def test_gateway_timeout_keeps_its_status(self):
        responses = main_template().properties("Api")["GatewayResponses"]
        self.assertEqual(responses["INTEGRATION_TIMEOUT"]["StatusCode"], 504)
        body = json.loads(responses["INTEGRATION_TIMEOUT"]["ResponseTemplates"]["application/json"])
        self.assertEqual(body["status"], 504)

    def test_throttled_function_is_no_internal_error(self):
        responses = main_template().properties("Api")["GatewayResponses"]
        throttled = responses["API_CONFIGURATION_ERROR"]
        self.assertEqual(json.loads(throttled["ResponseTemplates"]["application/json"])["code"], "overloaded")
        self.assertEqual(throttled["ResponseParameters"]["Headers"]["Retry-After"], "'1'")
        self.assertIn('"function_status":"$context.integration.status"', main_template().properties("Api")["AccessLogSetting"]["Format"])

    def test_each_body_has_the_status_of_its_response(self):
        for name, response in main_template().properties("Api")["GatewayResponses"].items():
            with self.subTest(name):
                self.assertEqual(json.loads(response["ResponseTemplates"]["application/json"])["status"], response["StatusCode"])


class Endpoint(unittest.TestCase):
    PRIVATE = {"EndpointType": "PRIVATE", "VpcEndpointIds": "vpce-0a,vpce-0b"}

    def api(self, **parameters):
        """Returns the REST API after SAM's transform, as CloudFormation evaluates it."""
        template = transformed_template(**parameters)
        [api] = template.of_type("AWS::ApiGateway::RestApi").values()
        return api

    def test_api_is_regional_by_default(self):
        api = self.api()
        self.assertEqual(api["EndpointConfiguration"], {"Types": ["REGIONAL"]})
        self.assertNotIn("Policy", api)

    def test_private_api_admits_the_given_endpoints_only(self):
        api = self.api(**self.PRIVATE)
        self.assertEqual(api["EndpointConfiguration"], {"Types": ["PRIVATE"], "VpcEndpointIds": ["vpce-0a", "vpce-0b"]})
        [statement] = api["Policy"]["Statement"]
        self.assertEqual(statement["Effect"], "Allow")
        self.assertEqual(statement["Condition"], {"StringEquals": {"aws:SourceVpce": ["vpce-0a", "vpce-0b"]}})

    def test_default_address_is_disabled_only_on_request(self):
        def disabled(**parameters):
            [server] = self.api(**parameters)["Body"]["servers"]
            return server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]

        self.assertIs(disabled(), False)
        self.assertIs(disabled(DisableExecuteApiEndpoint="true", **Domain.DOMAIN), True)

    def test_web_acl_inspects_the_stage(self):
        acl = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/shop/0a1b"
        self.assertFalse(main_template().exists("Firewall"))
        template = transformed_template(WebAclArn=acl)
        [association] = template.of_type("AWS::WAFv2::WebACLAssociation").values()
        self.assertEqual(association["WebACLArn"], acl)
        [stage] = template.of_type("AWS::ApiGateway::Stage")
        self.assertEqual(association["ResourceArn"], f"arn:aws:apigateway:eu-central-1::/restapis/Api/stages/{stage}")


class SquareUrl(unittest.TestCase):
    def url(self, **parameters):
        return main_template(**parameters).properties("WebhookFunction")["Environment"]["Variables"]["WEBHOOK_URL_SQUARE"]

    def test_domain_name_determines_the_url_before_the_first_deployment(self):
        self.assertEqual(self.url(**Domain.DOMAIN), "https://api.example.com/webhooks/square")

    def test_given_url_is_used(self):
        self.assertEqual(self.url(WebhookUrlSquare="https://other/square", **Domain.DOMAIN), "https://other/square")
        self.assertEqual(self.url(), "")
