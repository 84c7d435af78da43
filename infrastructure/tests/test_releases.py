"""Releases: versions behind an alias, gradual rollouts, alarms that return to the previous release."""

import re
import unittest

from cloudformation import dependencies
from templates import EVERYTHING, FUNCTIONS, STAGES, alarms, document, main_template, nested_template, read, transformed_template

ROLLOUTS = document("template.yaml")["Parameters"]["Rollout"]["AllowedValues"]
GUARDED = "Canary10Percent5Minutes"


def version_ids(**parameters):
    resources = transformed_template(**parameters).resources
    return {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"}


class Versions(unittest.TestCase):
    def test_each_release_id_publishes_a_version_of_each_function(self):
        first, second = version_ids(ReleaseId="0" * 64), version_ids(ReleaseId="1" * 64)
        # Seven of the API, and that of the migrations.
        self.assertEqual((len(first), len(second)), (8, 8))
        self.assertEqual(first & second, set())

    def test_same_release_id_publishes_nothing(self):
        self.assertEqual(version_ids(ReleaseId="a" * 64), version_ids(ReleaseId="a" * 64, ImageTag="other"))

    def test_version_that_the_alias_has_left_is_deleted(self):
        for resource in transformed_template().resources.values():
            if resource["Type"] == "AWS::Lambda::Version":
                self.assertEqual(resource["DeletionPolicy"], "Delete")

    def test_release_id_changes_the_function_itself(self):
        # Lambda publishes no version of an unchanged function.
        first, second = (transformed_template(ReleaseId=digit * 64) for digit in "01")
        for name in (*FUNCTIONS, "Migrate"):
            self.assertNotEqual(*(each.resources[f"{name}Function"]["Properties"] for each in (first, second)))


class Alias(unittest.TestCase):
    def setUp(self):
        self.template = transformed_template()
        self.every = dependencies(self.template)

    def test_gateway_calls_the_aliases_only(self):
        called = set(re.findall(r"functions/\$\{(\w+)", str(self.template.resources["Api"]["Properties"]["Body"])))
        self.assertEqual(called, {f"{name}FunctionAliaslive" for name in FUNCTIONS})

    def test_gateway_may_call_the_aliases_only(self):
        permissions = [each for each in self.template.resources.values() if each["Type"] == "AWS::Lambda::Permission"]
        allowed = {each["Properties"]["FunctionName"]["Ref"] for each in permissions}
        self.assertEqual(allowed, {f"{name}FunctionAliaslive" for name in FUNCTIONS})

    def test_alias_follows_migrations_workers_and_its_function(self):
        for name in FUNCTIONS:
            with self.subTest(name):
                self.assertLessEqual({"Worker", f"{name}Function"}, self.every[f"{name}FunctionAliaslive"])

    def test_code_of_a_function_may_not_change_its_network(self):
        # `lambda:SourceFunctionArn` is set for calls of each version, so the condition does not name a version.
        statements = self.template.properties("Interfaces")["PolicyDocument"]["Statement"]
        [denied] = [each for each in statements if each["Effect"] == "Deny"]
        self.assertEqual(denied["Condition"], {"Null": {"lambda:SourceFunctionArn": "false"}})


class Rollout(unittest.TestCase):
    def groups(self, rollout):
        template = transformed_template(Rollout=rollout)
        return template, template.of_type("AWS::CodeDeploy::DeploymentGroup")

    def test_default_watches_no_alarm_and_creates_nothing(self):
        template, groups = self.groups("AllAtOnce")
        types = {each["Type"] for each in template.resources.values()}
        self.assertEqual((groups, {each for each in types if "CodeDeploy" in each}), ({}, set()))
        self.assertEqual([each for each in alarms(main_template()) if "A release fails" in each["AlarmName"]], [])

    def test_each_rollout_is_known_and_only_the_first_is_not_guarded(self):
        for rollout in ROLLOUTS:
            self.assertEqual(len(self.groups(rollout)[1]), 0 if rollout == "AllAtOnce" else 7, rollout)

    def test_functions_are_replaced_gradually_and_return_on_an_alarm(self):
        template, groups = self.groups(GUARDED)
        for name in FUNCTIONS:
            with self.subTest(name):
                group = groups[f"{name}FunctionDeploymentGroup"]
                self.assertEqual(group["DeploymentConfigName"], f"CodeDeployDefault.Lambda{GUARDED}")
                self.assertIn("DEPLOYMENT_STOP_ON_ALARM", group["AutoRollbackConfiguration"]["Events"])
                names = [each["Name"] for each in group["AlarmConfiguration"]["Alarms"]]
                expected = ["Watch.Outputs.ReleaseFails", f"Watch{name}.Outputs.ReleaseFails", f"Watch{name}.Outputs.ReleaseSlow"]
                self.assertEqual(names, expected)
                policy = template.resources[f"{name}FunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
                self.assertEqual(policy["DeploymentGroupName"], {"Ref": f"{name}FunctionDeploymentGroup"})

    def test_rollouts_have_the_role_of_the_template(self):
        # The role that SAM would create has no boundary.
        for stage in STAGES:
            for rollout in ROLLOUTS:
                template = transformed_template(**EVERYTHING, Stage=stage, Rollout=rollout)
                self.assertNotIn("CodeDeployServiceRole", template.resources)
                self.assertEqual(template.exists("RolloutRole"), rollout != "AllAtOnce")
                for group in template.of_type("AWS::CodeDeploy::DeploymentGroup").values():
                    self.assertEqual(group["ServiceRoleArn"], "RolloutRole.Arn")

    def test_alarms_exist_before_the_deployment(self):
        template, groups = self.groups(GUARDED)
        every = dependencies(template)
        for name in groups:
            function = name.removesuffix("FunctionDeploymentGroup")
            self.assertLessEqual({"Watch", f"Watch{function}"}, every[name])
            self.assertNotIn(f"{function}FunctionAliaslive", every[name])

    def test_alarms_count_the_new_version_only(self):
        # Otherwise an alarm about the previous version would stop the release that repairs it.
        main = transformed_template(Rollout=GUARDED)
        parameters = main.properties("WatchStart")["Parameters"]
        self.assertRegex(parameters["Version"], r"^StartFunctionVersion\w+\.Version$")
        [fails, slow] = [each for each in alarms(main) if "A release fails (start" in each["AlarmName"]]
        for alarm in (fails, slow):
            metrics = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each] or [alarm]
            for metric in metrics:
                dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
                self.assertEqual(dimensions["Resource"], "StartFunction:live")
                self.assertEqual(dimensions["ExecutedVersion"], parameters["Version"])

    def test_alarm_of_a_release_fires_within_the_first_step(self):
        for alarm in alarms(transformed_template(Rollout=GUARDED)):
            if "A release fails" in alarm["AlarmName"]:
                period = alarm.get("Period") or alarm["Metrics"][0]["MetricStat"]["Period"]
                self.assertLessEqual(period * alarm["DatapointsToAlarm"], 120, alarm["AlarmName"])

    def test_workers_return_on_an_alarm_that_exists_before_them(self):
        worker = nested_template("worker", main_template(Rollout=GUARDED))
        guard = worker.properties("Service")["DeploymentConfiguration"]["Alarms"]
        self.assertEqual(guard, {"AlarmNames": ["ReleaseFails"], "Enable": True, "Rollback": True})
        every = dependencies(worker)
        self.assertIn("ReleaseFails", every["Service"])
        self.assertNotIn("Service", every["ReleaseFails"])

    def test_workers_are_not_guarded_by_default(self):
        guard = nested_template("worker").properties("Service")["DeploymentConfiguration"]["Alarms"]
        self.assertEqual(guard, {"AlarmNames": [], "Enable": False, "Rollback": False})

    def test_production_is_guarded(self):
        self.assertIn('"Rollout=Canary10Percent5Minutes"', read("samconfig.toml"))


class ProvisionedConcurrency(unittest.TestCase):
    def configured(self, **parameters):
        template = transformed_template(**parameters)
        aliases = {name: template.properties(f"{name}FunctionAliaslive") for name in FUNCTIONS}
        return {name: each["ProvisionedConcurrencyConfig"] for name, each in aliases.items() if "ProvisionedConcurrencyConfig" in each}

    def test_none_is_the_default(self):
        self.assertEqual(self.configured(), {})

    def test_start_and_query_keep_sandboxes_ready(self):
        number = {"ProvisionedConcurrentExecutions": "5"}
        self.assertEqual(self.configured(ProvisionedConcurrency="5"), {"Start": number, "Query": number})


class Limits(unittest.TestCase):
    """The quotas of CloudFormation for one template."""

    def test_largest_template_is_within_the_quotas(self):
        template = transformed_template(**EVERYTHING, Rollout=GUARDED)
        self.assertLessEqual(len(template.document["Parameters"]), 200)
        self.assertLessEqual(len(template.resources), 500)
        for name in ("template.yaml", "infrastructure/watch.yaml", "infrastructure/worker.yaml"):
            self.assertLessEqual(len(read(name).encode()), 1_000_000)
