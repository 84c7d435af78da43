"""The alarms: their list, their names, and the runbook's procedures."""

import json
import re
import tomllib
import unittest

from templates import FUNCTIONS, SECRET, TOPIC, alarms, headings, main_template, nested_template, read

API = {
    "Webhooks fail",
    "The API fails",
    "The API is slow",
    "Functions fail",
    "Functions are throttled",
    "Functions are close to their time-out",
    "Functions log errors",
    "The availability objective is at risk",
    "The start latency objective is at risk",
    "The account runs out of concurrency",
}
BACKEND = {
    "Orders are late",
    "Tasks wait",
    "No worker",
    "Money waits for an operator",
    "The worker logs errors",
    "A deployment failed",
    "A worker stopped",
    "Mails wait",
    "The credential for Temporal expires",
    "Workers are added",
    "The database is unreachable",
    "Temporal is unreachable",
    "The database fills",
    "The database is busy",
    "The database is unreachable",
    "The database failed over",
    "The database has little memory",
    "Connections run out",
    "Outgoing connections run out",
    "Temporal is unreachable",
}
DOMAIN = {"CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/a", "DomainName": "api.example.com"}


def find_alarms(**parameters):
    return alarms(main_template(**parameters))


def title(alarm):
    """Returns the name without the deployment and without the part that the alarm is about, such as `(start)`."""
    return alarm["AlarmName"].removeprefix("orderflow: ").split(" (")[0]


def titles(**parameters):
    return [title(alarm) for alarm in find_alarms(**parameters)]


class Alarms(unittest.TestCase):
    def test_required_alarms_exist(self):
        self.assertLessEqual(API | BACKEND, set(titles(Stage="prod")))
        self.assertLessEqual(API | BACKEND | {"CPU credits run out"}, set(titles(Stage="dev")))
        self.assertIn("The certificate expires", titles(**DOMAIN))

    def test_deployment_without_backend_has_alarms_of_the_api_only(self):
        self.assertEqual(set(titles(DeployBackend="false", DatabaseUrlSecretArn=SECRET)), API)

    def test_each_function_has_its_alarms(self):
        names = {alarm["AlarmName"] for alarm in find_alarms()}
        for function in map(str.lower, FUNCTIONS):
            self.assertIn(f"orderflow: Functions fail ({function})", names)
            self.assertIn(f"orderflow: Functions are throttled ({function})", names)
            self.assertIn(f"orderflow: Functions are close to their time-out ({function})", names)
            self.assertIn(f"orderflow: Functions log errors ({function})", names)

    def test_release_has_alarms_if_it_is_guarded(self):
        self.assertIn("A release fails", titles(Rollout="Canary10Percent5Minutes"))
        self.assertNotIn("A release fails", titles())

    def test_names_are_unique(self):
        names = [alarm["AlarmName"] for alarm in find_alarms(Stage="prod", **DOMAIN)]
        self.assertEqual(len(names), len(set(names)))

    def test_each_name_is_a_heading_of_the_runbook(self):
        self.assertEqual(set(titles(Stage="dev", Rollout="Canary10Percent5Minutes", **DOMAIN)) - set(headings("docs/runbook.md")), set())

    def test_each_description_names_the_same_heading(self):
        for alarm in find_alarms(Stage="dev", **DOMAIN):
            with self.subTest(alarm["AlarmName"]):
                self.assertTrue(alarm["AlarmDescription"].endswith(f'docs/runbook.md, "{title(alarm)}".'))

    def test_each_alarm_notifies_the_topic(self):
        silent = {"Workers are added"}
        for alarm in find_alarms(Stage="dev", Rollout="Canary10Percent5Minutes", **DOMAIN):
            with self.subTest(alarm["AlarmName"]):
                # The windows of an objective are parts of an alarm that notifies.
                if alarm.get("ActionsEnabled", True) and title(alarm) not in silent:
                    self.assertEqual(alarm["AlarmActions"], [TOPIC])

    def test_each_constant_source_has_an_alarm_about_missing_data(self):
        # Workers, cluster and database report at all times. Without their data, an operator must look.
        breaching = {each.get("Namespace") for each in find_alarms() if each.get("TreatMissingData") == "breaching"}
        self.assertEqual(breaching, {"Worker.Outputs.MetricNamespace", "ECS/ContainerInsights", "AWS/RDS"})

    def test_every_number_of_the_worker_that_must_exist_is_an_alarm_without_data(self):
        optional = {"TemporalCredentialDays", "WorkerErrors"}
        for alarm in find_alarms():
            if alarm.get("Namespace") == "Worker.Outputs.MetricNamespace":
                expected = "notBreaching" if alarm["MetricName"] in optional else "breaching"
                self.assertEqual(alarm["TreatMissingData"], expected, alarm["AlarmName"])

    def test_each_metric_of_a_log_is_used(self):
        used = str(find_alarms(Rollout="Canary10Percent5Minutes")) + str(nested_template("worker").of_type("AWS::ApplicationAutoScaling::ScalingPolicy"))
        for name in ("watch", "worker"):
            for each in nested_template(name).of_type("AWS::Logs::MetricFilter").values():
                self.assertIn(repr(each["MetricTransformations"][0]["MetricName"]), used)

    def test_scanners_cause_no_alarm_about_webhooks(self):
        [pattern] = [
            each["FilterPattern"]
            for each in nested_template("watch").of_type("AWS::Logs::MetricFilter").values()
            if each["MetricTransformations"][0]["MetricName"] == "WebhookFailures"
        ]
        self.assertIn("$.status != 404", pattern)

    def test_runbook_describes_no_metric_that_aws_lacks(self):
        self.assertNotIn("Performance Insights", read("docs/runbook.md"))

    def test_percentile_is_evaluated_from_a_number_of_calls_on(self):
        # CloudWatch's `ignore` keeps the state below 10 / (1 - percentile) values: 1,000 for p99. Its `evaluate` has no limit.
        percentiles = 0
        for alarm in find_alarms(Rollout="Canary10Percent5Minutes"):
            with self.subTest(alarm["AlarmName"]):
                self.assertNotIn("EvaluateLowSampleCountPercentile", alarm)
                self.assertNotIn("ExtendedStatistic", alarm)
                parts = {each["Id"]: each for each in alarm.get("Metrics", [])}
                used = [name for name, each in parts.items() if re.fullmatch(r"p\d+", each.get("MetricStat", {}).get("Stat", ""))]
                for name in used:
                    [expression] = [each["Expression"] for each in parts.values() if f", {name}, " in each.get("Expression", "")]
                    [least] = re.findall(r"IF\(calls >= (\d+), ", expression)
                    self.assertEqual(parts["calls"]["MetricStat"]["Stat"], "SampleCount")
                    self.assertEqual(parts["calls"]["MetricStat"]["Metric"], parts[name]["MetricStat"]["Metric"])
                    self.assertEqual(parts["calls"]["MetricStat"]["Period"], parts[name]["MetricStat"]["Period"])
                    # Of a million orders per month, the least used route has 0.38 calls per second; a canary gets a tenth.
                    share = 0.1 if "A release fails" in alarm["AlarmName"] and name == "half" else 1
                    self.assertLess(int(least), 0.38 * share * parts[name]["MetricStat"]["Period"])
                percentiles += len(used)
        self.assertEqual(percentiles, 7 + 2 * 7 + 1)

    def test_one_error_of_a_worker_notifies_but_rolls_no_release_back(self):
        [notifies] = [each for each in find_alarms() if title(each) == "The worker logs errors"]
        self.assertEqual((notifies["Threshold"], notifies["EvaluationPeriods"]), (1, 1))
        guards = find_alarms(Rollout="Canary10Percent5Minutes")
        [guard] = [each for each in guards if each["AlarmName"].endswith("A release fails (worker)")]
        # A step is tried again every 20 s at the latest, so a lasting fault of one step is sufficient.
        self.assertEqual((guard["Threshold"], guard["Period"]), (2, 60))
        self.assertEqual((guard["DatapointsToAlarm"], guard["EvaluationPeriods"]), (2, 3))

    def test_storage_grows_before_its_alarm(self):
        for stage in ("dev", "prod"):
            main = main_template(Stage=stage)
            storage = int(nested_template("database", main).properties("Instance")["AllocatedStorage"]) * 2**30
            threshold = int(nested_template("watch", main).properties("DatabaseFull")["Threshold"])
            # RDS enlarges the storage when a tenth is free.
            self.assertLessEqual(threshold, storage / 10 / 2)
            self.assertGreaterEqual(threshold, 2**30)


class Objectives(unittest.TestCase):
    """Burn rates of an error budget for 30 days, as in docs/slo.md."""

    def windows(self, objective):
        """Returns the period and the threshold of each window, by the name of the alarm."""
        found = {}
        for alarm in find_alarms():
            if title(alarm) == objective and "Metrics" in alarm:
                [statistic, *_] = [each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each]
                found[alarm["AlarmName"].split(" (")[1].rstrip(")")] = (statistic["Period"], alarm["Threshold"])
        return found

    def test_windows_and_burn_rates(self):
        for objective, budget in (("The availability objective is at risk", 0.1), ("The start latency objective is at risk", 1)):
            expected = {
                "fast, one hour": (3600, 14.4 * budget),
                "fast, five minutes": (300, 14.4 * budget),
                "slow, six hours": (21600, 6 * budget),
                "slow, half an hour": (1800, 6 * budget),
            }
            found = self.windows(objective)
            self.assertEqual(set(found), set(expected))
            for name, (period, threshold) in expected.items():
                self.assertEqual(found[name][0], period)
                self.assertAlmostEqual(found[name][1], threshold)

    def test_both_windows_must_burn(self):
        watch = nested_template("watch")
        rules = {each["AlarmName"]: each["AlarmRule"] for each in watch.of_type("AWS::CloudWatch::CompositeAlarm").values()}
        self.assertEqual(
            rules["orderflow: The availability objective is at risk (fast)"],
            'ALARM("AvailabilityHour") AND ALARM("AvailabilityMinutes")',
        )
        self.assertEqual(len(rules), 4)
        for rule in rules.values():
            for name in re.findall(r'ALARM\("(\w+)"\)', rule):
                self.assertIn(name, watch.of_type("AWS::CloudWatch::Alarm"))

    def test_page_has_the_objectives_of_the_alarms(self):
        page = read("docs/slo.md")
        for text in ("99.9 %", "99 %", "14.4", "1.44 %", "14.4 %", "0.6 %", "6 %"):
            self.assertIn(text, page)


class Dashboard(unittest.TestCase):
    def body(self, **parameters):
        main = main_template(**parameters)
        return json.loads(nested_template("watch", main).properties("Dashboard")["DashboardBody"]), main

    def test_dashboard_is_valid_json_with_and_without_backend(self):
        for parameters in ({}, {"DeployBackend": "false", "DatabaseUrlSecretArn": SECRET}):
            self.assertGreater(len(self.body(**parameters)[0]["widgets"]), 5)

    def test_first_widgets_show_existing_alarms(self):
        body, main = self.body(Stage="prod")
        [widget] = [each for each in body["widgets"] if each["type"] == "alarm"]
        self.assertLess(widget["y"], min(each["y"] for each in body["widgets"] if each["type"] == "metric"))
        shown = {arn.split(":alarm:")[1] for arn in widget["properties"]["alarms"]}
        self.assertEqual(shown - {alarm["AlarmName"] for alarm in alarms(main)}, set())

    def test_name_is_the_one_of_the_runbook(self):
        # Dashboards have one namespace in an account, for all regions.
        self.assertEqual(nested_template("watch").properties("Dashboard")["DashboardName"], "orderflow-eu-central-1")
        self.assertIn("The dashboard `STACK-REGION`, such as `orderflow-eu-central-1`", read("docs/runbook.md"))

    def test_widgets_do_not_overlap(self):
        used = set()
        for each in self.body()[0]["widgets"]:
            cells = {(x, y) for x in range(each["x"], each["x"] + each["width"]) for y in range(each["y"], each["y"] + each["height"])}
            self.assertEqual(cells & used, set())
            used |= cells


class Budget(unittest.TestCase):
    def test_none_is_the_default(self):
        self.assertEqual(nested_template("watch").of_type("AWS::Budgets::Budget"), {})

    def test_budget_counts_the_tag_of_the_deployment(self):
        watch = nested_template("watch", main_template(MonthlyBudget="800"))
        [budget] = [each["Budget"] for each in watch.of_type("AWS::Budgets::Budget").values()]
        self.assertEqual(budget["BudgetLimit"], {"Amount": "800", "Unit": "USD"})
        # Budgets have one namespace in an account, which can have a deployment of the same name in another region.
        self.assertEqual(budget["BudgetName"], "orderflow-eu-central-1")
        self.assertEqual(budget["CostFilters"], {"TagKeyValue": ["user:Deployment$orderflow"]})
        for stage, name in (("prod", "orderflow"), ("default", "orderflow-dev")):
            with self.subTest(stage):
                section = tomllib.loads(read("samconfig.toml"))[stage]["deploy"]["parameters"]
                self.assertEqual(section["stack_name"], name)
                self.assertIn(f"Deployment={name}", section["tags"].split())

    def test_budget_needs_a_topic(self):
        self.assertTrue(main_template(MonthlyBudget="1", AlarmTopicArn="").violated_rules())


class Queries(unittest.TestCase):
    def test_saved_queries_name_existing_log_groups(self):
        for name, each in nested_template("watch").of_type("AWS::Logs::QueryDefinition").items():
            with self.subTest(name):
                self.assertTrue(each["Name"].startswith("orderflow/"))
                self.assertNotIn("", each["LogGroupNames"])
