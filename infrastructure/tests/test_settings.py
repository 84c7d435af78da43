"""Every setting of docs/settings.md is passed by the templates, or the deployment's page says why it is not."""

import re
import unittest

from templates import SECRET, main_template, nested_template, read

# All parameters that add a variable to a program.
ALL = {
    "SmtpUrlSecretArn": SECRET,
    "MailFrom": "Shop <orders@example.com>",
    "CarrierUrl": "https://bridge.example/v1",
    "CarrierSecretArn": SECRET,
    "AdyenKeySecretArn": SECRET,
    "AdyenMerchantAccount": "Shop",
    "TemporalApiKeySecretArn": SECRET,
    "TemporalCertificateSecretArn": SECRET,
    "TemporalCaSecretArn": SECRET,
    "WebhookSecretsArn": SECRET,
    "AwsEndpointUrl": "http://localhost",
}


def settings():
    return set(re.findall(r"^\| `([A-Z_]+)` \|", read("docs/settings.md").split("## Printed by")[0], re.MULTILINE))


def function_variables(main, name):
    shared = main.evaluate(main.document["Globals"]["Function"]["Environment"]["Variables"])
    return shared | main.properties(f"{name.capitalize()}Function").get("Environment", {}).get("Variables", {})


def worker_variables(main):
    [container] = nested_template("worker", main).properties("Worker")["ContainerDefinitions"]
    plain = {each["Name"]: each["Value"] for each in container["Environment"]}
    return plain | {each["Name"]: each["ValueFrom"] for each in container["Secrets"]}


class Settings(unittest.TestCase):
    def passed(self):
        main = main_template(**ALL)
        names = set(worker_variables(main)) | set(worker_variables(main_template()))
        for name in ("start", "signal", "query", "events", "admin", "webhook", "web", "migrate"):
            names |= set(function_variables(main, name))
        return names

    def explained(self):
        section = read("docs/deploy.md").split("\n### Settings\n")[1].split("\n## ")[0]
        unavailable = section.split("These are unavailable in AWS:")[1]
        return set(re.findall(r"`([A-Z_]+)`", unavailable))

    def test_each_setting_is_passed_or_explained(self):
        providers = {name for name in settings() if re.fullmatch(r"WEBHOOK_SECRETS_(?!ARN|FILE)[A-Z]+", name)}
        self.assertGreater(len(settings()), 100)
        self.assertEqual(settings() - self.passed() - self.explained() - providers, set())

    def test_no_setting_is_both(self):
        self.assertEqual(self.explained() & self.passed(), set())
        self.assertEqual(self.explained() - settings(), set())

    def test_value_of_a_parameter_reaches_the_programs_that_read_it(self):
        for parameter, variable, programs in [
            ("Reads", "READS", ["query"]),
            ("ReviewThreshold", "REVIEW_THRESHOLD", ["start"]),
            ("DeliveryEstimate", "DELIVERY_ESTIMATE", ["start", "query"]),
            ("JwtAlgorithms", "JWT_ALGORITHMS", ["start", "signal", "query", "events", "admin", "webhook", "web"]),
            ("SecretsRefresh", "SECRETS_REFRESH", ["start", "signal", "query", "events", "admin", "webhook"]),
            ("DefaultStock", "DEFAULT_STOCK", ["worker"]),
            ("CorsOrigins", "CORS_ORIGINS", ["start", "signal", "query", "events", "webhook", "web"]),
            ("OrdersLateAfter", "ORDERS_LATE_AFTER", ["events", "worker"]),
            ("EventBusName", "EVENT_BUS_NAME", ["worker"]),
            ("LogLevel", "LOG_LEVEL", ["start", "worker"]),
            ("OrderTaskQueue", "ORDER_TASK_QUEUE", ["start", "signal", "query", "webhook", "worker"]),
            ("TemporalDeploymentName", "TEMPORAL_DEPLOYMENT_NAME", ["worker"]),
        ]:
            main = main_template(**{parameter: "value"})
            for program in programs:
                with self.subTest(parameter=parameter, program=program):
                    variables = worker_variables(main) if program == "worker" else function_variables(main, program)
                    self.assertEqual(variables[variable], "value")

    def test_start_receives_the_whole_order_policy(self):
        section = read("docs/settings.md").split("\n## Order policy\n")[1].split("\n## ")[0]
        policy = set(re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE))
        self.assertEqual(policy - set(function_variables(main_template(), "start")), set())
