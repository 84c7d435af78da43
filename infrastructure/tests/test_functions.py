"""The functions: the order of an update, and the secrets that each of them reads."""

import unittest

from cloudformation import dependencies
from templates import SECRET, main_template, transformed_template


class OrderOfAnUpdate(unittest.TestCase):
    def functions(self, template):
        """Returns the functions of the API."""
        names = {name for name, each in template.resources.items() if each["Type"] == "AWS::Lambda::Function"}
        return sorted(names - {"MigrateFunction"})

    def test_functions_are_updated_after_migrations_and_worker(self):
        template = transformed_template()
        every = dependencies(template)
        names = self.functions(template)
        self.assertEqual(len(names), 7)
        self.assertEqual([name for name in names if "Worker" not in every[name]], [])

    def test_functions_without_backend_depend_on_no_worker(self):
        template = transformed_template(DeployBackend="false", DatabaseUrlSecretArn=SECRET)
        every = dependencies(template)
        self.assertEqual([name for name in self.functions(template) if "Worker" in every[name]], [])

    def test_worker_depends_on_no_function_of_the_api(self):
        template = transformed_template()
        self.assertEqual(dependencies(template)["Worker"] & set(self.functions(template)), set())


FUNCTIONS = ("start", "signal", "query", "events", "admin", "webhook", "web")
# Each secret of a function has its own ARN here.
ARNS = {
    name: f"{SECRET}{name}"
    for name in (
        "ApiKeysSecretArn", "TemporalApiKeySecretArn", "TemporalCertificateSecretArn", "TemporalCaSecretArn",
        "DatabaseUrlSecretArn", "AdminDatabaseUrlSecretArn", "WebhookSecretsArn",
    )
}
TEMPORAL = {"TemporalApiKeySecretArn", "TemporalCertificateSecretArn", "TemporalCaSecretArn"}
NEEDED = {
    "start": TEMPORAL | {"ApiKeysSecretArn"},
    "signal": TEMPORAL | {"ApiKeysSecretArn"},
    "query": TEMPORAL | {"ApiKeysSecretArn", "DatabaseUrlSecretArn"},
    "events": TEMPORAL | {"ApiKeysSecretArn", "DatabaseUrlSecretArn"},
    "admin": {"ApiKeysSecretArn", "AdminDatabaseUrlSecretArn"},
    "webhook": TEMPORAL | {"WebhookSecretsArn"},
    "web": set(),
}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/a"


def variables(template, name):
    shared = template.evaluate(template.document["Globals"]["Function"]["Environment"]["Variables"])
    own = template.properties(f"{name.capitalize()}Function").get("Environment", {}).get("Variables", {})
    return shared | own


def statements(template, name):
    """Returns the statements of a function's role, also those of its managed policies."""
    role = template.properties(f"{name.capitalize()}Role")
    documents = [policy["PolicyDocument"] for policy in role["Policies"]]
    documents += [template.properties(policy)["PolicyDocument"] for policy in role["ManagedPolicyArns"]]
    return [statement for document in documents for statement in document["Statement"]]


def resources(template, name, action):
    """Returns the resources of the statements that have exactly this action."""
    found = [each["Resource"] for each in statements(template, name) if each["Action"] == action]
    return [arn for each in found for arn in (each if isinstance(each, list) else [each])]


class Secrets(unittest.TestCase):
    def templates(self):
        for backend in ("true", "false"):
            yield backend, main_template(DeployBackend=backend, SecretsKeyArn=KEY, **ARNS)

    def needed(self, name, backend):
        return {ARNS[each] for each in NEEDED[name] if "DatabaseUrl" not in each or backend == "false"}

    def test_no_variable_contains_a_secret(self):
        for backend, template in self.templates():
            for name in FUNCTIONS:
                with self.subTest(name=name, backend=backend):
                    self.assertNotIn("resolve:", str(variables(template, name)))

    def test_function_has_the_arns_of_its_secrets(self):
        for backend, template in self.templates():
            for name in FUNCTIONS:
                with self.subTest(name=name, backend=backend):
                    passed = {value for value in variables(template, name).values() if value in ARNS.values()}
                    self.assertEqual(passed, self.needed(name, backend))

    def test_role_reads_exactly_the_secrets_of_its_function(self):
        for backend, template in self.templates():
            for name in FUNCTIONS:
                with self.subTest(name=name, backend=backend):
                    read = resources(template, name, "secretsmanager:GetSecretValue")
                    self.assertEqual(set(read), self.needed(name, backend))
                    keys = resources(template, name, "kms:Decrypt")
                    self.assertEqual(set(keys), {KEY} if read else set())

    def test_role_without_secrets_reads_none(self):
        template = main_template(ApiAuth="none", ApiKeysSecretArn="")
        for name in FUNCTIONS:
            with self.subTest(name):
                actions = str([each["Action"] for each in statements(template, name)])
                self.assertNotIn("secretsmanager", actions)
                self.assertNotIn("kms", actions)


class Waits(unittest.TestCase):
    def test_health_is_served_by_a_function_without_waits(self):
        template = main_template()
        serving = [
            name for name, function in template.of_type("AWS::Serverless::Function").items()
            for event in function.get("Events", {}).values()
            if (event["Properties"]["Method"], event["Properties"]["Path"]) == ("GET", "/health")
        ]
        self.assertEqual(serving, ["StartFunction"])
        self.assertNotIn("LONG_POLLING", variables(template, "start"))

    def test_reserved_functions_do_not_wait_by_default(self):
        for value in ("off", "on"):
            template = main_template(LongPolling=value) if value == "on" else main_template()
            for name in ("query", "events"):
                with self.subTest(name=name, value=value):
                    self.assertEqual(variables(template, name)["LONG_POLLING"], value)


class Reservations(unittest.TestCase):
    def reserved(self, **parameters):
        template = main_template(**parameters)
        names = ("QueryFunction", "EventsFunction")
        return [template.properties(name).get("ReservedConcurrentExecutions") for name in names]

    def test_readers_have_the_reservation_of_their_stage(self):
        self.assertEqual(self.reserved(Stage="dev"), [10, 10])
        self.assertEqual(self.reserved(Stage="prod"), [40, 40])

    def test_zero_readers_mean_no_reservation(self):
        self.assertEqual(self.reserved(Stage="prod", Readers="0"), [None, None])

    def test_number_of_readers_replaces_that_of_the_stage(self):
        self.assertEqual(self.reserved(Stage="prod", Readers="15"), ["15", "15"])
