"""The functions: the order of an update, and changed secrets."""

import unittest

from cloudformation import dependencies
from templates import SECRET, main_template, transformed_template


class OrderOfAnUpdate(unittest.TestCase):
    def functions(self, template):
        return sorted(name for name, each in template.resources.items() if each["Type"] == "AWS::Lambda::Function")

    def test_functions_are_updated_after_migrations_and_worker(self):
        template = transformed_template()
        every = dependencies(template)
        names = self.functions(template)
        self.assertEqual(len(names), 6)
        self.assertEqual([name for name in names if "Worker" not in every[name]], [])

    def test_functions_without_backend_depend_on_no_worker(self):
        template = transformed_template(DeployBackend="false", DatabaseUrlSecretArn=SECRET)
        every = dependencies(template)
        self.assertEqual([name for name in self.functions(template) if "Worker" in every[name]], [])

    def test_worker_depends_on_no_function(self):
        every = dependencies(transformed_template())
        self.assertEqual([name for name in every["Worker"] if name.endswith("Function")], [])


class ChangedSecrets(unittest.TestCase):
    def environments(self, **parameters):
        template = main_template(**parameters)
        functions = template.of_type("AWS::Serverless::Function")
        shared = template.evaluate(template.document["Globals"]["Function"]["Environment"]["Variables"])
        return {name: shared | each.get("Environment", {}).get("Variables", {}) for name, each in functions.items()}

    def assert_all_differ(self, **parameters):
        before, after = self.environments(), self.environments(**parameters)
        self.assertEqual(len(before), 6)
        self.assertEqual([name for name in before if before[name] == after[name]], [])

    def test_new_secrets_version_changes_each_function(self):
        self.assert_all_differ(SecretsVersion="2")

    def test_new_image_tag_changes_each_function(self):
        self.assert_all_differ(ImageTag="release-111111111111")


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
