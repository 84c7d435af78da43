"""The database: restores, replacement, protection and connections."""

import json
import pathlib
import re
import unittest

import cfnlint

from templates import STAGES, document, headings, main_template, nested_template, read

MANDATORY_CONNECTIONS = 20


def instance(stage="prod", **parameters):
    return nested_template("database", main_template(Stage=stage, **parameters)).properties("Instance")


def create_only_properties(resource_type):
    """Returns the properties that CloudFormation cannot change without a replacement, from cfn-lint's schema."""
    folder = pathlib.Path(cfnlint.__file__).parent / "data/schemas/resources"
    for path in folder.glob("*.json"):
        text = path.read_text()
        if f'"typeName": "{resource_type}"' in text or f'"typeName":"{resource_type}"' in text:
            return {name.removeprefix("/properties/") for name in json.loads(text)["createOnlyProperties"]}
    raise AssertionError(f"cfn-lint has no schema of {resource_type}")


class Restore(unittest.TestCase):
    def test_automatic_minor_upgrades_go_with_a_major_version_only(self):
        # A snapshot of an upgraded instance cannot be restored to an older minor version.
        properties = instance()
        self.assertTrue(properties["AutoMinorVersionUpgrade"])
        self.assertRegex(properties["EngineVersion"], r"^\d+$")

    def test_snapshot_identifier_changes_no_create_only_property(self):
        create_only = create_only_properties("AWS::RDS::DBInstance")
        self.assertIn("DBName", create_only)
        new, restored = instance(), instance(SnapshotIdentifier="before")
        differing = {name for name in create_only if new.get(name) != restored.get(name)}
        self.assertEqual(differing, set())

    def test_restored_instance_has_no_database_name(self):
        # RDS for PostgreSQL rejects a restore with a DBName.
        self.assertNotIn("DBName", instance(SnapshotIdentifier="before"))

    def test_programs_use_the_database_that_each_instance_has(self):
        # An instance without a DBName has the database `postgres` only.
        for name in ("template.yaml", "infrastructure/worker.yaml"):
            with self.subTest(name):
                self.assertEqual(set(re.findall(r":5432/(\w+)", read(name))), {"postgres"})


class Protection(unittest.TestCase):
    def test_first_creation_has_no_deletion_protection(self):
        for stage in STAGES:
            with self.subTest(stage):
                self.assertIs(instance(stage)["DeletionProtection"], False)

    def test_deletion_protection_is_a_parameter(self):
        self.assertIs(instance(ProtectDatabase="true")["DeletionProtection"], True)

    def test_stack_policy_denies_replacement_and_deletion_of_the_instance(self):
        [denied] = [each for each in json.loads(read("infrastructure/database-policy.json"))["Statement"] if each["Effect"] == "Deny"]
        self.assertEqual(denied["Resource"], "LogicalResourceId/Instance")
        self.assertEqual(set(denied["Action"]), {"Update:Replace", "Update:Delete"})
        self.assertIn("Instance", document("infrastructure/database.yaml")["Resources"])

    def test_pages_describe_failed_first_deployment_and_protection(self):
        self.assertIn("The first deployment failed", headings("docs/runbook.md"))
        commands = ("ProtectDatabase=true", "update-termination-protection", "set-stack-policy", "--include-nested-stacks")
        self.assertEqual([each for each in commands if each not in read("docs/deploy.md")], [])


class Connections(unittest.TestCase):
    def sizes(self, stage):
        main = main_template(Stage=stage)
        return main.document["Mappings"]["Sizes"][stage]

    def test_connections_of_a_rolling_deployment_are_below_the_limit(self):
        for stage in STAGES:
            with self.subTest(stage):
                main = main_template(Stage=stage)
                sizes = self.sizes(stage)
                service = nested_template("worker", main).properties("Service")
                factor = int(service["DeploymentConfiguration"]["MaximumPercent"]) / 100
                workers = sizes["MostWorkers"] * factor * 40
                # Two functions with two connections each; after a deployment, frozen sandboxes keep theirs for a while.
                readers = 2 * sizes["Readers"] * 2 * 2
                parameters = nested_template("database", main).properties("Parameters")["Parameters"]
                limit = int(parameters["max_connections"])
                self.assertLessEqual(workers + readers + MANDATORY_CONNECTIONS, limit)

    def test_deployment_can_start_a_second_worker(self):
        for stage in STAGES:
            with self.subTest(stage):
                service = nested_template("worker", main_template(Stage=stage)).properties("Service")
                least = self.sizes(stage)["LeastWorkers"]
                # ECS rounds the maximum down.
                most = least * int(service["DeploymentConfiguration"]["MaximumPercent"]) // 100
                self.assertGreater(most, least)

    def test_server_ends_idle_sessions_of_readers(self):
        for name in ("QueryFunction", "EventsFunction"):
            with self.subTest(name):
                url = main_template().properties(name)["Environment"]["Variables"]["DATABASE_URL"]
                self.assertIn("options[idle_session_timeout]=", url)

    def test_alarm_fires_at_80_percent(self):
        for stage in STAGES:
            with self.subTest(stage):
                main = main_template(Stage=stage)
                parameters = nested_template("database", main).properties("Parameters")["Parameters"]
                alarms = nested_template("watch", main).of_type("AWS::CloudWatch::Alarm")
                [alarm] = [each for each in alarms.values() if each.get("MetricName") == "DatabaseConnections"]
                self.assertEqual(float(alarm["Threshold"]), 0.8 * int(parameters["max_connections"]))
