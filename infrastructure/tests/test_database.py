"""The database: restores, replacement, protection and connections."""

import functools
import hashlib
import json
import pathlib
import re
import ssl
import unittest

import cfnlint

from templates import STAGES, document, headings, main_template, nested_template, read

MANDATORY_CONNECTIONS = 20
CONNECTIONS_OF_A_WORKER = 40


def instance(stage="prod", **parameters):
    return nested_template("database", main_template(Stage=stage, **parameters)).properties("Instance")


@functools.cache
def resource_schema(resource_type):
    """Returns cfn-lint's copy of the schema of CloudFormation."""
    folder = pathlib.Path(cfnlint.__file__).parent / "data/schemas/resources"
    for path in folder.glob("*.json"):
        text = path.read_text()
        if f'"typeName": "{resource_type}"' in text or f'"typeName":"{resource_type}"' in text:
            return json.loads(text)
    raise AssertionError(f"cfn-lint has no schema of {resource_type}")


def create_only_properties(resource_type):
    """Returns the properties that CloudFormation cannot change without a replacement."""
    return {name.removeprefix("/properties/") for name in resource_schema(resource_type)["createOnlyProperties"]}


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

    def test_parameters_are_of_the_version_of_the_server(self):
        family = nested_template("database").properties("Parameters")["Family"]
        self.assertEqual(family, f"postgres{instance()['EngineVersion']}")

    def test_programs_use_the_database_that_each_instance_has(self):
        # An instance without a DBName has the database `postgres` only.
        for name in ("template.yaml", "infrastructure/worker.yaml"):
            with self.subTest(name):
                self.assertEqual(set(re.findall(r":5432/(\w+)", read(name))), {"postgres"})


class Encryption(unittest.TestCase):
    KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

    def test_default_key_passes_no_value(self):
        # KmsKeyId is create-only: a value, also the default key's, would replace existing databases.
        self.assertIn("KmsKeyId", create_only_properties("AWS::RDS::DBInstance"))
        for stage in STAGES:
            for snapshot in ("", "before"):
                with self.subTest(stage=stage, snapshot=snapshot):
                    self.assertNotIn("KmsKeyId", instance(stage, SnapshotIdentifier=snapshot))

    def test_given_key_encrypts_storage_and_insights(self):
        properties = instance(DatabaseKeyArn=self.KEY)
        self.assertEqual(properties["KmsKeyId"], self.KEY)
        self.assertEqual(properties["PerformanceInsightsKMSKeyId"], self.KEY)

    def test_no_other_option_changes_a_create_only_property(self):
        create_only = create_only_properties("AWS::RDS::DBInstance")
        before = instance()
        for option in (
            {"BackupKeyArn": self.KEY.replace("eu-central-1", "eu-west-1")},
            {"DatabaseProxy": "true"},
            {"ProtectDatabase": "true"},
            {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"},
        ):
            with self.subTest(**option):
                after = instance(**option)
                self.assertEqual({name for name in create_only if before.get(name) != after.get(name)}, set())


class Replication(unittest.TestCase):
    KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    NAMES = ("Region", "KmsKeyId", "RetentionPeriod")

    def replication(self, **parameters):
        properties = instance(**parameters)
        return [properties.get(f"AutomaticBackupReplication{name}") for name in self.NAMES]

    def test_replication_is_off_by_default(self):
        self.assertEqual(self.replication(), [None, None, None])

    def test_key_determines_the_other_region(self):
        self.assertEqual(self.replication(BackupKeyArn=self.KEY), ["eu-west-1", self.KEY, 14])

    def test_names_are_those_of_the_resource_type(self):
        # CloudFormation rejects an unknown property.
        schema = resource_schema("AWS::RDS::DBInstance")
        self.assertEqual([name for name in instance(BackupKeyArn=self.KEY) if name not in schema["properties"]], [])


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
        commands = ("ProtectDatabase=true", "update-termination-protection", "set-stack-policy", "release.sh prod --review")
        self.assertEqual([each for each in commands if each not in read("docs/deploy.md")], [])


class Connections(unittest.TestCase):
    def sizes(self, stage):
        main = main_template(Stage=stage)
        return main.document["Mappings"]["Sizes"][stage]

    def limit(self, main):
        return int(nested_template("database", main).properties("Parameters")["Parameters"]["max_connections"])

    def workers(self, main, stage):
        service = nested_template("worker", main).properties("Service")
        factor = int(service["DeploymentConfiguration"]["MaximumPercent"]) / 100
        return self.sizes(stage)["MostWorkers"] * factor * CONNECTIONS_OF_A_WORKER

    def readers(self, stage):
        """Returns the connections of the functions of one release. After a deployment, frozen sandboxes keep theirs."""
        return (2 * self.sizes(stage)["Readers"] + self.sizes(stage)["AdminConcurrency"]) * 2

    def proxied(self, main):
        """Returns the connections of the proxy to the database."""
        pool = nested_template("proxy", main).properties("Target")["ConnectionPoolConfigurationInfo"]
        return self.limit(main) * int(pool["MaxConnectionsPercent"]) / 100

    def test_connections_of_a_rolling_deployment_are_below_the_limit(self):
        for stage in STAGES:
            with self.subTest(stage):
                main = main_template(Stage=stage)
                total = self.workers(main, stage) + 2 * self.readers(stage) + MANDATORY_CONNECTIONS
                self.assertLessEqual(total, self.limit(main))

    def test_connections_with_a_proxy_are_below_the_limit(self):
        for stage in STAGES:
            with self.subTest(stage):
                main = main_template(Stage=stage, DatabaseProxy="true")
                # The release that adds or removes the proxy runs beside frozen sandboxes of the other kind.
                total = self.workers(main, stage) + self.readers(stage) + self.proxied(main) + MANDATORY_CONNECTIONS
                self.assertLessEqual(total, self.limit(main))

    def test_proxy_has_a_connection_for_each_running_reader(self):
        for stage in STAGES:
            with self.subTest(stage):
                main = main_template(Stage=stage, DatabaseProxy="true")
                # A function runs one query at a time.
                self.assertGreaterEqual(self.proxied(main), self.readers(stage) / 2)

    def test_deployment_can_start_a_second_worker(self):
        for stage in STAGES:
            with self.subTest(stage):
                service = nested_template("worker", main_template(Stage=stage)).properties("Service")
                least = self.sizes(stage)["LeastWorkers"]
                # ECS rounds the maximum down.
                most = least * int(service["DeploymentConfiguration"]["MaximumPercent"]) // 100
                self.assertGreater(most, least)

    def url(self, name, **parameters):
        return main_template(**parameters).properties(name)["Environment"]["Variables"]["DATABASE_URL"]

    def test_server_ends_idle_sessions_and_long_statements_of_readers(self):
        for name in ("QueryFunction", "EventsFunction", "AdminFunction"):
            with self.subTest(name):
                self.assertIn("options[idle_session_timeout]=", self.url(name))
                limit = int(re.search(r"options\[statement_timeout\]=(\d+)s", self.url(name)).group(1))
                # The function waits two seconds for a connection, and responds before its own time limit.
                self.assertLess(limit + 2, main_template().properties(name).get("Timeout", 28))

    def test_server_ends_idle_transactions(self):
        parameters = nested_template("database").properties("Parameters")["Parameters"]
        self.assertGreater(int(parameters["idle_in_transaction_session_timeout"]), 0)

    def test_alarm_fires_at_80_percent(self):
        for stage in STAGES:
            with self.subTest(stage):
                main = main_template(Stage=stage)
                parameters = nested_template("database", main).properties("Parameters")["Parameters"]
                alarms = nested_template("watch", main).of_type("AWS::CloudWatch::Alarm")
                [alarm] = [each for each in alarms.values() if each.get("MetricName") == "DatabaseConnections"]
                self.assertEqual(float(alarm["Threshold"]), 0.8 * int(parameters["max_connections"]))


class Proxy(unittest.TestCase):
    FUNCTIONS = ("QueryFunction", "EventsFunction", "AdminFunction")

    def main(self):
        return main_template(DatabaseProxy="true")

    def test_proxy_is_optional(self):
        self.assertFalse(main_template().exists("Proxy"))
        self.assertTrue(self.main().exists("Proxy"))

    def test_only_functions_that_read_use_the_proxy(self):
        for name in self.FUNCTIONS:
            with self.subTest(name):
                url = self.main().properties(name)["Environment"]["Variables"]["DATABASE_URL"]
                self.assertIn("@Proxy.Outputs.Host:5432/", url)
                # RDS Proxy rejects command-line options.
                self.assertNotIn("options", url)
        # Each worker sets time limits as options.
        self.assertEqual(self.main().properties("Worker")["Parameters"]["DatabaseHost"], "Database.Outputs.Host")

    def test_both_connections_log_in_with_tokens(self):
        for name, user in (("QueryRole", "reader"), ("EventsRole", "reader"), ("AdminRole", "admin")):
            with self.subTest(name):
                [policy] = [each for each in self.main().properties(name)["Policies"] if each["PolicyName"] == "database"]
                self.assertEqual(policy["PolicyDocument"]["Statement"][0]["Resource"], f"Proxy.Outputs.UserArnPrefix/orderflow_{user}")
        proxy = nested_template("proxy", self.main())
        self.assertEqual(proxy.properties("Proxy")["DefaultAuthScheme"], "IAM_AUTH")
        self.assertTrue(proxy.properties("Proxy")["RequireTLS"])
        [policy] = proxy.properties("Role")["Policies"]
        users = [f"Database.Outputs.UserArnPrefix/orderflow_{user}" for user in ("reader", "admin")]
        self.assertEqual(policy["PolicyDocument"]["Statement"][0]["Resource"], users)

    def test_resource_of_the_user_is_the_id_of_the_proxy(self):
        proxy = nested_template("proxy", self.main())
        # arn:PARTITION:rds:REGION:ACCOUNT:db-proxy:prx-ID
        proxy.values["arn"] = "arn:aws:rds:eu-central-1:123456789012:db-proxy:prx-0a1b"
        text, variables = proxy.document["Outputs"]["UserArnPrefix"]["Value"]["Fn::Sub"]
        [index, split] = variables["Id"]["Fn::Select"]
        self.assertEqual(split["Fn::Split"], [":", {"Fn::GetAtt": ["Proxy", "DBProxyArn"]}])
        identifier = proxy.values["arn"].split(":")[int(index)]
        self.assertEqual(identifier, "prx-0a1b")
        self.assertEqual(
            proxy.evaluate({"Fn::Sub": [text, {"Id": identifier}]}),
            "arn:aws:rds-db:eu-central-1:123456789012:dbuser:prx-0a1b",
        )

    def test_functions_trust_the_authorities_of_each_server(self):
        for proxy, name in (("true", "amazon.pem"), ("false", "rds.pem")):
            for function in self.FUNCTIONS:
                with self.subTest(proxy=proxy, function=function):
                    properties = main_template(DatabaseProxy=proxy).properties(function)
                    self.assertIn(f"sslrootcert=/opt/{name}", properties["Environment"]["Variables"]["DATABASE_URL"])
                    self.assertIn("Certificates", properties["Layers"])

    def test_authorities_of_the_proxy_are_those_of_amazon_trust_services(self):
        # https://www.amazontrust.com/repository/
        published = {
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        }
        pem = read("infrastructure/certificates/amazon.pem")
        blocks = re.findall(r"-----BEGIN CERTIFICATE-----\n.+?-----END CERTIFICATE-----", pem, re.DOTALL)
        found = {hashlib.sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest() for block in blocks}
        self.assertEqual(found, published)

    def test_log_group_has_the_name_that_rds_writes_to(self):
        proxy = nested_template("proxy", self.main())
        self.assertEqual(proxy.properties("Logs")["LogGroupName"], f"/aws/rds/proxy/{proxy.properties('Proxy')['DBProxyName']}")
        self.assertEqual(proxy.resources["Proxy"]["DependsOn"], "Logs")

    def test_name_is_valid_and_independent_of_the_instance(self):
        # A restore replaces the instance, and must not replace the proxy.
        name = nested_template("proxy", self.main()).properties("Proxy")["DBProxyName"]
        self.assertEqual(name, "orderflow-readers-0a1b2c3d")

    def test_group_of_the_proxy_connects_readers_and_database(self):
        proxy = nested_template("proxy", self.main())
        group = proxy.properties("Group")
        self.assertEqual([each["SourceSecurityGroupId"] for each in group["SecurityGroupIngress"]], ["Network.Outputs.ReadersGroup"])
        self.assertEqual(
            [each["DestinationSecurityGroupId"] for each in group["SecurityGroupEgress"]], ["Network.Outputs.DatabaseGroup"]
        )
