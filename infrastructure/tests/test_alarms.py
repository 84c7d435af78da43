"""The alarms: their list, their names, and the runbook's procedures."""

import unittest

from templates import SECRET, TOPIC, alarms, headings, main_template, nested_template, read

API = {
    "Webhooks fail",
    "The API fails",
    "The API is slow",
    "Functions fail",
    "Functions are throttled",
}
BACKEND = {
    "Orders are late",
    "Tasks wait",
    "No worker",
    "Money waits for an operator",
    "The worker logs errors",
    "A deployment failed",
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
        for function in ("start", "signal", "query", "events", "webhook", "web"):
            self.assertIn(f"orderflow: Functions fail ({function})", names)
            self.assertIn(f"orderflow: Functions are throttled ({function})", names)

    def test_names_are_unique(self):
        names = [alarm["AlarmName"] for alarm in find_alarms(Stage="prod", **DOMAIN)]
        self.assertEqual(len(names), len(set(names)))

    def test_each_name_is_a_heading_of_the_runbook(self):
        self.assertEqual(set(titles(Stage="dev", **DOMAIN)) - set(headings("docs/runbook.md")), set())

    def test_each_description_names_the_same_heading(self):
        for alarm in find_alarms(Stage="dev", **DOMAIN):
            with self.subTest(alarm["AlarmName"]):
                self.assertTrue(alarm["AlarmDescription"].endswith(f'docs/runbook.md, "{title(alarm)}".'))

    def test_each_alarm_notifies_the_topic(self):
        for alarm in find_alarms(Stage="dev", **DOMAIN):
            with self.subTest(alarm["AlarmName"]):
                self.assertEqual(alarm["AlarmActions"], [TOPIC])

    def test_scanners_cause_no_alarm_about_webhooks(self):
        [pattern] = [
            each["FilterPattern"]
            for each in nested_template("watch").of_type("AWS::Logs::MetricFilter").values()
            if each["MetricTransformations"][0]["MetricName"] == "WebhookFailures"
        ]
        self.assertIn("$.status != 404", pattern)

    def test_runbook_describes_no_metric_that_aws_lacks(self):
        self.assertNotIn("Performance Insights", read("docs/runbook.md"))
