"""The optional collector beside the worker, and the metrics of the functions."""

import json
import re
import unittest

import collector
import yaml
from cloudformation import Template
from templates import FUNCTIONS, SECRET, document, main_template, nested_template, read

WORKSPACE = "arn:aws:aps:eu-west-1:123456789012:workspace/ws-0a1b2c3d"
ON = {"cloudwatch": {"Collector": "cloudwatch"}, "prometheus": {"Collector": "prometheus", "PrometheusWorkspaceArn": WORKSPACE}}
LOCAL = "http://127.0.0.1:4318"


def task(**parameters):
    return nested_template("worker", main_template(**parameters)).properties("Worker")


def containers(**parameters):
    return {each["Name"]: each for each in task(**parameters)["ContainerDefinitions"]}


def variables(container):
    return {each["Name"]: each["Value"] for each in container["Environment"]}


def statements(**parameters):
    role = nested_template("worker", main_template(**parameters)).properties("WorkerRole")
    return [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]


class Off(unittest.TestCase):
    def test_task_and_permissions_are_those_without_a_collector(self):
        self.assertEqual(list(containers()), ["worker"])
        self.assertNotIn("Cpu", containers()["worker"])
        self.assertEqual([each["Action"] for each in statements()], ["rds-db:connect"])
        self.assertFalse(nested_template("worker").exists("CollectorLogs"))

    def test_worker_and_functions_have_the_given_address_for_traces(self):
        for given in ("", "https://traces.example.com"):
            main = main_template(TraceEndpoint=given)
            functions = main.evaluate(main.document["Globals"]["Function"]["Environment"]["Variables"])
            worker = variables(containers(TraceEndpoint=given)["worker"])
            self.assertEqual(functions["OTEL_EXPORTER_OTLP_ENDPOINT"], given)
            self.assertEqual(worker["OTEL_EXPORTER_OTLP_ENDPOINT"], given)


class On(unittest.TestCase):
    def test_collector_ends_without_the_worker_and_changes_no_file(self):
        for mode, parameters in ON.items():
            with self.subTest(mode):
                found = containers(**parameters)["collector"]
                self.assertIs(found["Essential"], False)
                self.assertIs(found["ReadonlyRootFilesystem"], True)
                self.assertEqual(found["LinuxParameters"], {"Capabilities": {"Drop": ["ALL"]}})
                self.assertNotIn("root", found["User"])
                self.assertNotIn("Secrets", found)

    def test_limits_leave_the_worker_the_rest_of_the_task(self):
        for stage in ("dev", "prod"):
            with self.subTest(stage):
                whole, found = task(Stage=stage, **ON["cloudwatch"]), containers(Stage=stage, **ON["cloudwatch"])
                self.assertEqual(sum(each["Cpu"] for each in found.values()), int(whole["Cpu"]))
                self.assertGreaterEqual(int(whole["Memory"]) - found["collector"]["Memory"], 768)
                self.assertEqual((whole["Cpu"], whole["Memory"]), (task(Stage=stage)["Cpu"], task(Stage=stage)["Memory"]))

    def test_memory_limiter_refuses_data_before_ecs_ends_the_container(self):
        for mode, parameters in ON.items():
            limit = yaml.safe_load(collector.configuration(mode))["processors"]["memory_limiter"]["limit_mib"]
            found = containers(**parameters)["collector"]
            runtime = int(variables(found)["GOMEMLIMIT"].removesuffix("MiB"))
            self.assertLess(limit, runtime)
            self.assertLess(runtime, found["Memory"])

    def test_collector_reads_the_port_of_the_worker(self):
        found = containers(**ON["cloudwatch"])
        address = variables(found["worker"])["ORDERFLOW_HEALTH_ADDRESS"]
        self.assertEqual(variables(found["collector"])["ORDERFLOW_HEALTH_ADDRESS"], address)

    def test_worker_sends_traces_to_the_collector_unless_there_is_an_address(self):
        for given, expected in (("", LOCAL), ("https://traces.example.com", "https://traces.example.com")):
            main = main_template(TraceEndpoint=given, **ON["cloudwatch"])
            functions = main.evaluate(main.document["Globals"]["Function"]["Environment"]["Variables"])
            worker = variables(containers(TraceEndpoint=given, **ON["cloudwatch"])["worker"])
            self.assertEqual(worker["OTEL_EXPORTER_OTLP_ENDPOINT"], expected)
            # Without an address, a function passes no context on.
            self.assertEqual(functions["OTEL_EXPORTER_OTLP_ENDPOINT"], expected)

    def test_functions_without_backend_have_no_collector(self):
        main = main_template(DeployBackend="false", DatabaseUrlSecretArn=SECRET, **ON["cloudwatch"])
        functions = main.evaluate(main.document["Globals"]["Function"]["Environment"]["Variables"])
        self.assertEqual(functions["OTEL_EXPORTER_OTLP_ENDPOINT"], "")

    def test_task_has_exactly_the_permissions_of_its_destination(self):
        xray, logs = ("xray:PutTraceSegments", "*"), (["logs:CreateLogStream", "logs:PutLogEvents"], "CollectorLogs.Arn")
        added = [(each["Action"], str(each["Resource"])) for each in statements(**ON["cloudwatch"])[1:]]
        self.assertEqual(added, [xray, logs])
        added = [(each["Action"], str(each["Resource"])) for each in statements(**ON["prometheus"])[1:]]
        self.assertEqual(added, [xray, ("aps:RemoteWrite", WORKSPACE)])

    def test_workspace_determines_address_and_region(self):
        found = variables(containers(**ON["prometheus"])["collector"])
        self.assertEqual(found["WORKSPACE_REGION"], "eu-west-1")
        self.assertEqual(
            found["REMOTE_WRITE_URL"],
            "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-0a1b2c3d/api/v1/remote_write",
        )

    def test_prometheus_needs_a_workspace(self):
        self.assertEqual(main_template(Collector="prometheus").violated_rules(), ["Collector=prometheus needs PrometheusWorkspaceArn."])
        for parameters in ON.values():
            self.assertEqual(main_template(**parameters).violated_rules(), [])

    def test_image_of_the_default_has_a_version(self):
        image = main_template().values["CollectorImage"]
        self.assertRegex(image, r":v\d+\.\d+\.\d+$")
        pattern = main_template().document["Parameters"]["CollectorImage"]["AllowedPattern"]
        self.assertTrue(re.fullmatch(pattern, image))
        self.assertFalse(re.fullmatch(pattern, image.split(":")[0]))


class Configuration(unittest.TestCase):
    def test_template_has_the_files(self):
        for mode, parameters in ON.items():
            with self.subTest(mode):
                content = variables(containers(**parameters)["collector"])["AOT_CONFIG_CONTENT"]
                self.assertEqual(content, collector.configuration(mode), "run infrastructure/tests/collector.py --write")

    def test_each_variable_is_set(self):
        for mode, parameters in ON.items():
            used = set(re.findall(r"\$\{env:([A-Z_]+)\}", collector.configuration(mode)))
            self.assertGreater(len(used), 1)
            self.assertEqual(used - set(variables(containers(**parameters)["collector"])), set())

    def test_each_component_of_a_pipeline_is_configured_and_used(self):
        for mode in ON:
            document = yaml.safe_load(collector.configuration(mode))
            pipelines = document["service"]["pipelines"].values()
            for kind in ("receivers", "processors", "exporters"):
                with self.subTest(mode=mode, kind=kind):
                    self.assertEqual({name for pipeline in pipelines for name in pipeline[kind]}, set(document[kind]))
            self.assertEqual(set(document["service"]["extensions"]), set(document["extensions"]))

    def test_only_the_task_reaches_the_collector(self):
        for mode in ON:
            addresses = re.findall(r"endpoint: \"?([0-9.]+):\d+", collector.configuration(mode))
            self.assertEqual(set(addresses), {"127.0.0.1"})

    def declarations(self):
        document = yaml.safe_load(collector.configuration("cloudwatch"))
        chosen = document["processors"]["filter"]["metrics"]["include"]["metric_names"]
        return chosen, document["exporters"]["awsemf"]["metric_declarations"]

    def test_each_chosen_metric_has_one_declaration(self):
        chosen, declarations = self.declarations()
        declared = [selector.strip("^$") for each in declarations for selector in each["metric_name_selectors"]]
        self.assertEqual(sorted(declared), sorted(chosen))

    def test_each_dimension_is_a_documented_label_with_few_values(self):
        _, declarations = self.declarations()
        for each in declarations:
            [dimensions] = each["dimensions"]
            self.assertLessEqual(set(dimensions), {"outcome", "code", "activity", "worker_type"})

    def test_page_has_each_metric_of_cloudwatch(self):
        section = read("docs/metrics.md").split("### With a collector\n")[1].split("\n### ")[0]
        listed = set(re.findall(r"^- `((?:orderflow|temporal)_\w+)`", section, re.MULTILINE))
        self.assertEqual(listed, set(self.declarations()[0]))


class Tracing(unittest.TestCase):
    def test_xray_of_the_api_is_off_unless_active(self):
        for parameters, active in (({}, False), ({"Tracing": "Active"}, True)):
            main = main_template(**parameters)
            self.assertIs(main.properties("Api")["TracingEnabled"], active)
            self.assertEqual(main.evaluate(main.document["Globals"]["Function"]["Tracing"]), "Active" if active else "PassThrough")
            self.assertEqual(main.exists("Traces"), active)
            for name in FUNCTIONS:
                self.assertEqual("Traces" in main.properties(f"{name}Role")["ManagedPolicyArns"], active)


class Functions(unittest.TestCase):
    def watch_of(self, name):
        passed = main_template().properties(f"Watch{name}")["Parameters"]
        return passed, Template(document("infrastructure/watch-function.yaml"), passed)

    def test_problems_of_each_function_are_counted_by_code(self):
        for name in FUNCTIONS:
            with self.subTest(name):
                passed, template = self.watch_of(name)
                self.assertEqual((passed["Function"], passed["Logs"]), (f"{name}Function", f"{name}Logs"))
                found = template.properties("Problems")
                [metric] = found["MetricTransformations"]
                self.assertEqual(found["LogGroupName"], f"{name}Logs")
                self.assertEqual(metric["Dimensions"], [{"Key": "code", "Value": "$.code"}])
                # With a default value, CloudWatch rejects dimensions.
                self.assertNotIn("DefaultValue", metric)
                self.assertEqual((metric["MetricNamespace"], metric["MetricName"]), ("orderflow", "Problems"))

    def test_dashboard_is_valid_and_shows_starts_and_problems(self):
        for parameters in ({}, {"DeployBackend": "false", "DatabaseUrlSecretArn": SECRET}):
            watch = nested_template("watch", main_template(**parameters))
            body = json.loads(watch.properties("Dashboard")["DashboardBody"])
            metrics = {each["properties"]["title"]: each["properties"]["metrics"] for each in body["widgets"] if each["type"] == "metric"}
            self.assertEqual(metrics["Latency of starts (ms)"][0][1], "StartLatency")
            [[search]] = metrics["Error responses by code"]
            self.assertEqual(search["expression"], "SEARCH('{\"orderflow\",code} MetricName=\"Problems\"', 'Sum', 300)")
