"""The migrations of a release: their function, its rights, and their place in the order of a deployment."""

import unittest

from cloudformation import dependencies
from templates import FUNCTIONS, SECRET, main_template, nested_template, transformed_template


def statements(template, role):
    policies = template.properties(role)["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def listed(value):
    return value if isinstance(value, list) else [value]


class Order(unittest.TestCase):
    def test_migration_follows_database_and_network(self):
        every = dependencies(transformed_template())
        expected = {"Database", "Network", "MigrateFunction", "MigrateFunctionAliaslive", "MigrateRole"}
        self.assertLessEqual(expected, every["Migration"])

    def test_worker_follows_the_migration(self):
        every = dependencies(transformed_template())
        self.assertIn("Migration", every["Worker"])
        self.assertNotIn("Worker", every["MigrateFunction"])

    def test_no_backend_means_no_migration(self):
        template = transformed_template(DeployBackend="false", DatabaseUrlSecretArn=SECRET)
        names = [name for name in template.resources if name.startswith("Migrat") and template.exists(name)]
        self.assertEqual(names, [])


class Releases(unittest.TestCase):
    def version(self, **parameters):
        """Returns the logical name of the version that a release publishes, and the version."""
        versions = transformed_template(**parameters).of_type("AWS::Lambda::Version")
        [[name, version]] = [each for each in versions.items() if each[0].startswith("MigrateFunction")]
        return name, version

    def test_each_release_id_publishes_a_version(self):
        # CloudFormation deletes the previous one at the end of the release; test_releases.py.
        first, second, first_again = (self.version(ReleaseId=digit * 64)[0] for digit in "010")
        self.assertNotEqual(first, second)
        self.assertEqual(first, first_again)

    def test_resource_has_the_number_of_the_version(self):
        template = transformed_template()
        name, version = self.version()
        self.assertEqual(version["FunctionName"], "MigrateFunction")
        self.assertEqual(template.properties("Migration")["Version"], f"{name}.Version")

    def test_cloudformation_calls_the_version_of_the_release(self):
        template = transformed_template()
        # CloudFormation rejects a changed token, so it names the alias and not the version.
        self.assertEqual(template.properties("Migration")["ServiceToken"], "MigrateFunctionAliaslive")
        alias = template.properties("MigrateFunctionAliaslive")
        self.assertEqual(alias["FunctionVersion"], f"{self.version()[0]}.Version")

    def test_alias_changes_at_once(self):
        # CodeDeploy would give the only call to the previous version.
        template = transformed_template(Rollout="Canary10Percent5Minutes")
        groups = set(template.of_type("AWS::CodeDeploy::DeploymentGroup"))
        self.assertEqual(groups, {f"{name}FunctionDeploymentGroup" for name in FUNCTIONS})
        self.assertNotIn("UpdatePolicy", template.resources["MigrateFunctionAliaslive"])

    def test_restored_database_is_migrated(self):
        self.assertEqual(main_template().properties("Migration")["Database"], "Database.Outputs.Name")


class Invocation(unittest.TestCase):
    def test_every_other_function_is_of_the_api(self):
        functions = main_template().of_type("AWS::Serverless::Function")
        self.assertEqual(set(functions), {f"{name}Function" for name in (*FUNCTIONS, "Migrate")})
        self.assertNotIn("Events", functions["MigrateFunction"])
        self.assertNotIn("ReservedConcurrentExecutions", functions["MigrateFunction"])

    def test_cloudformation_waits_for_the_whole_run(self):
        template = main_template()
        function = template.properties("MigrateFunction")
        self.assertEqual(function["Timeout"], 900)
        self.assertGreaterEqual(template.properties("Migration")["ServiceTimeout"], function["Timeout"])

    def test_event_is_not_repeated_after_a_long_run(self):
        template = transformed_template()
        [config] = template.of_type("AWS::Lambda::EventInvokeConfig").values()
        self.assertLess(config["MaximumEventAgeInSeconds"], 900 - 60)
        self.assertEqual(config["Qualifier"], "live")

    def test_function_is_in_the_network_with_access_to_the_database(self):
        network = main_template().properties("MigrateFunction")["VpcConfig"]
        self.assertEqual(network["SecurityGroupIds"], ["Network.Outputs.WorkerGroup"])
        self.assertEqual(network["SubnetIds"], ["Network.Outputs.PrivateSubnets"])


class Rights(unittest.TestCase):
    def test_role_may_read_only_the_secret_of_the_owner(self):
        template = main_template(WebhookSecretsArn=SECRET)
        allowed = {
            (action, str(resource))
            for statement in statements(template, "MigrateRole")
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        }
        expected = {
            ("logs:CreateLogStream", "MigrateLogs.Arn"),
            ("logs:PutLogEvents", "MigrateLogs.Arn"),
            ("rds-db:connect", "Database.Outputs.UserArnPrefix/orderflow_owner"),
            ("secretsmanager:GetSecretValue", "Database.Outputs.OwnerSecretArn"),
        }
        self.assertEqual(allowed, expected)

    def test_role_reads_the_credentials_for_temporal(self):
        policies = main_template(TemporalApiKeySecretArn=SECRET).properties("MigrateRole")["ManagedPolicyArns"]
        self.assertEqual(policies, ["Interfaces", "TemporalSecrets"])

    def test_no_other_role_acts_as_the_owner(self):
        main = main_template()
        roles = [(main, name) for name in main.of_type("AWS::IAM::Role")]
        roles += [(worker, name) for worker in [nested_template("worker", main)] for name in worker.of_type("AWS::IAM::Role")]
        self.assertGreater(len(roles), 8)
        owners = [name for template, name in roles if "owner" in str(statements(template, name)).lower()]
        self.assertEqual(owners, ["MigrateRole"])

    def test_function_has_no_password_and_no_key_of_a_caller(self):
        variables = main_template().properties("MigrateFunction")["Environment"]["Variables"]
        self.assertEqual(variables["API_KEYS_SECRET_ARN"], "")
        self.assertIn("postgres://orderflow_owner@", variables["DATABASE_URL"])
        self.assertEqual(variables["DATABASE_IAM_AUTH"], "fallback")
        self.assertEqual(variables["DATABASE_PASSWORD_SECRET_ARN"], "Database.Outputs.OwnerSecretArn")
