"""The scripts of infrastructure/, with stubs of the programs that they call."""

import functools
import json
import os
import re
import unittest
import unittest.mock

from samcli.cli.types import CfnParameterOverridesType

from stubs import copy_project, run
from templates import PROJECT, alarms, document, main_template, nested_template, read

COMMIT = "0123456789ab"
ROLES = {"dev": f"dev-{COMMIT}", "prod": f"release-{COMMIT}"}
REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def script(name):
    return str(PROJECT / "infrastructure" / name)


class Release(unittest.TestCase):
    def setUp(self):
        # A copy, because the script writes its build into the project.
        self.project = copy_project(self)

    def release(self, *arguments, first=(), status="UPDATE_COMPLETE", changes="", worker=None, retention="", scripts={}, variables={}):
        tag = ROLES[arguments[0]]
        responses = [
            *first,
            ("git status", changes, 0),
            ("git rev-parse", COMMIT, 0),
            ("describe-images", "ImageNotFoundException", 255),
            ("OutputKey=='Registry'", REGISTRY, 0),
            ("OutputKey=='Cluster'", "cluster", 0),
            ("OutputKey=='DatabaseStack'", "arn:database-stack", 0),
            ("OutputKey=='Database'", "instance", 0),
            ("StackStatus", status or f"Stack with id {arguments[0]} does not exist", 0 if status else 255),
            ("describe-log-groups", retention, 0),
            ("describe-task-definition", f"{REGISTRY}/orderflow-worker:{worker or tag}", 0),
            ("get-function-configuration", tag, 0),
        ]
        # CI=true is the variable of hosted runners.
        return run(str(self.project / "infrastructure/release.sh"), arguments, responses, scripts=scripts, variables={"CI": ""} | variables)

    def deployed_parameters(self, result):
        deployments = []
        for call in result.calls_of("sam", "deploy"):
            values = tuple(call[call.index("--parameter-overrides") + 1 :])
            deployments.append(CfnParameterOverridesType().convert(values, None, None))
        return deployments

    def test_tag_is_made_of_the_commit(self):
        for stage, tag in ROLES.items():
            with self.subTest(stage):
                result = self.release(stage)
                self.assertEqual(result.status, 0, result.output)
                pushed = [call[call.index("-t") + 1] for call in result.calls_of("docker", "buildx", "build")]
                self.assertEqual(pushed, [f"{REGISTRY}/orderflow-worker:{tag}", f"{REGISTRY}/orderflow:{tag}"])
                [parameters] = self.deployed_parameters(result)
                self.assertEqual(parameters["ImageTag"], tag)
                self.assertEqual(parameters["Stage"], stage)

    def test_each_image_has_its_program(self):
        targets = [call[call.index("--target") + 1] for call in self.release("dev").calls_of("docker", "buildx", "build")]
        self.assertEqual(targets, ["worker", "orderflow"])
        stages = re.findall(r"^FROM \S+ AS (\S+)$", (PROJECT / "worker/Dockerfile").read_text(), re.MULTILINE)
        self.assertEqual([target for target in targets if target not in stages], [])

    def release_id(self, *arguments):
        [parameters] = self.deployed_parameters(self.release(*arguments))
        return parameters["ReleaseId"]

    def test_release_id_differs_for_each_stage_and_set_of_parameters(self):
        calls = [("dev",), ("prod",), ("dev", "CallsPerSecond=2"), ("dev", "CallsPerSecond=3"), ("dev", "GatewayApiKeys=required")]
        ids = [self.release_id(*call) for call in calls]
        self.assertEqual(len(set(ids)), len(calls))
        for each in ids:
            self.assertRegex(each, document("template.yaml")["Parameters"]["ReleaseId"]["AllowedPattern"])
        self.assertEqual(self.release_id("dev"), ids[0])

    def test_given_release_id_is_rejected(self):
        self.assertEqual(self.release("prod", "ReleaseId=0123456789").calls, [])

    def test_release_of_the_alias_is_checked(self):
        for call in self.release("dev").calls_of("aws", "lambda", "get-function-configuration"):
            self.assertEqual(call[call.index("--qualifier") + 1], "live")

    def test_uncommitted_changes_are_rejected_before_any_change(self):
        result = self.release("prod", changes=" M template.yaml")
        self.assertEqual(result.status, 1)
        self.assertIn("not committed", result.output)
        self.assertEqual({call[0] for call in result.calls}, {"git"})

    def test_given_tag_is_rejected(self):
        result = self.release("prod", "ImageTag=other")
        self.assertEqual(result.status, 1)
        self.assertEqual(result.calls, [])

    def test_existing_image_is_not_built_again(self):
        result = self.release("prod", first=[("describe-images", "", 0)])
        self.assertEqual(result.status, 0, result.output)
        self.assertEqual(result.calls_of("docker", "buildx"), [])

    def test_production_uses_the_image_that_dev_has_tested(self):
        result = self.release("prod", first=[(f"imageTag=dev-{COMMIT}", "", 0)])
        self.assertEqual(result.status, 0, result.output)
        self.assertEqual(result.calls_of("docker", "buildx", "build"), [])
        copied = [call[-2:] for call in result.calls_of("docker", "buildx", "imagetools", "create")]
        names = [f"{REGISTRY}/orderflow-worker", f"{REGISTRY}/orderflow"]
        self.assertEqual(copied, [[f"{name}:release-{COMMIT}", f"{name}:dev-{COMMIT}"] for name in names])

    def test_first_production_deployment_is_protected_afterwards(self):
        result = self.release("prod", status="")
        self.assertEqual(result.status, 0, result.output)
        first, second = self.deployed_parameters(result)
        self.assertNotIn("ProtectDatabase", first)
        self.assertEqual(second["ProtectDatabase"], "true")
        self.assertEqual(len(result.calls_of("aws", "cloudformation", "update-termination-protection")), 1)
        [policy] = result.calls_of("aws", "cloudformation", "set-stack-policy")
        self.assertEqual(policy[policy.index("--stack-name") + 1], "arn:database-stack")
        self.assertIn("Update:Replace", str(json.loads(policy[-1])))

    def test_later_production_deployment_stays_protected(self):
        [parameters] = self.deployed_parameters(self.release("prod"))
        self.assertEqual(parameters["ProtectDatabase"], "true")

    def test_values_with_spaces_quotes_or_nothing_reach_sam(self):
        values = {"MailFrom": "Shop <orders@example.com>", "DomainName": "", "JwtAudience": 'a "b" c', "Zones": "a-1,b-1"}
        for quoted in (False, True):
            arguments = [f'{name}="{value}"' if quoted and '"' not in value else f"{name}={value}" for name, value in values.items()]
            with self.subTest(quoted=quoted):
                [parameters] = self.deployed_parameters(self.release("dev", *arguments))
                self.assertEqual({name: parameters[name] for name in values}, values)

    def test_gateway_keys_change_the_template_of_the_build(self):
        [call] = self.release("dev", "GatewayApiKeys=required").calls_of("sam", "build")
        self.assertIn(".gateway-keys.yaml", call)
        self.assertFalse((self.project / ".gateway-keys.yaml").exists())
        [call] = self.release("dev").calls_of("sam", "build")
        self.assertIn("template.yaml", call)

    def test_build_is_deployed_by_another_call(self):
        built = self.release("prod", "--build")
        self.assertEqual(built.status, 0, built.output)
        self.assertEqual((len(built.calls_of("docker", "buildx", "build")), len(built.calls_of("sam", "build"))), (2, 1))
        self.assertEqual(built.calls_of("sam", "deploy"), [])
        deployed = self.release("prod", "--deploy", first=[("describe-images", "", 0)])
        self.assertEqual(deployed.status, 0, deployed.output)
        self.assertEqual((deployed.calls_of("docker", "buildx"), deployed.calls_of("sam", "build")), ([], []))
        [deploy] = deployed.calls_of("sam", "deploy")
        [build] = built.calls_of("sam", "build")
        self.assertEqual(deploy[deploy.index("--template-file") + 1], f"{build[build.index('--build-dir') + 1]}/template.yaml")

    def test_tag_of_production_waits_for_its_deployment(self):
        dev = [(f"imageTag=dev-{COMMIT}", "", 0)]
        self.assertEqual(self.release("prod", "--build", first=dev).calls_of("docker", "buildx"), [])
        self.assertEqual(len(self.release("prod", "--deploy", first=dev).calls_of("docker", "buildx", "imagetools", "create")), 2)

    def test_build_of_another_commit_is_not_deployed(self):
        self.assertEqual(self.release("dev", "--build").status, 0)
        result = self.release("dev", "--deploy", first=[("git rev-parse", "111111111111", 0), ("describe-images", "", 0)])
        self.assertEqual(result.status, 1)
        self.assertIn("not a build of the commit 111111111111", result.output)
        self.assertEqual(result.calls_of("sam", "deploy"), [])

    def test_deployment_without_an_image_is_an_error(self):
        self.assertEqual(self.release("dev", "--build").status, 0)
        result = self.release("dev", "--deploy")
        self.assertEqual(result.status, 1)
        self.assertIn("--build", result.output)

    def test_failed_build_is_not_deployed(self):
        self.assertEqual(self.release("dev", "--build").status, 0)
        self.assertEqual(self.release("dev", "--build", first=[("sam build", "", 1)]).status, 1)
        self.assertEqual(self.release("dev", "--deploy", first=[("describe-images", "", 0)]).status, 1)

    def test_hosted_runner_is_not_asked(self):
        for arguments, variables, asked in ((["--yes"], {}, False), ([], {"CI": "true"}, False), ([], {}, True)):
            [call] = self.release("prod", *arguments, variables=variables).calls_of("sam", "deploy")
            self.assertEqual("--no-confirm-changeset" not in call, asked, call)

    def test_role_of_cloudformation_is_passed_on(self):
        [call] = self.release("prod", variables={"CLOUDFORMATION_ROLE": "arn:role"}).calls_of("sam", "deploy")
        self.assertEqual(call[call.index("--role-arn") + 1], "arn:role")
        [call] = self.release("prod").calls_of("sam", "deploy")
        self.assertNotIn("--role-arn", call)

    def test_configuration_is_found_from_the_build(self):
        # SAM searches samconfig.toml beside the template.
        [call] = self.release("prod").calls_of("sam", "deploy")
        self.assertEqual(call[call.index("--config-file") + 1], str(self.project.resolve() / "samconfig.toml"))

    def test_wrong_options_are_rejected(self):
        for arguments in (["--quick"], ["--build", "--deploy"]):
            result = self.release("dev", *arguments)
            self.assertEqual(result.status, 1, result.output)
            self.assertEqual(result.calls, [])

    def test_failed_first_deployment_is_not_repeated(self):
        result = self.release("prod", status="ROLLBACK_COMPLETE")
        self.assertEqual(result.status, 1)
        self.assertIn("The first deployment failed", result.output)
        self.assertEqual(result.calls_of("sam", "deploy"), [])

    def test_worker_of_another_build_is_an_error(self):
        result = self.release("prod", worker="release-111111111111")
        self.assertEqual(result.status, 1)
        self.assertIn("release-111111111111 instead of", result.output)

    def test_older_programs_are_rejected_before_any_change(self):
        for program, text in (("python3", "Python 3.11 or later"), ("sed", "GNU")):
            with self.subTest(program):
                result = self.release("prod", scripts={program: "exit 1"})
                self.assertEqual(result.status, 1)
                self.assertIn(text, result.output)
                self.assertEqual({call[0] for call in result.calls} - {"git"}, set())

    def test_bash_of_macos_is_rejected(self):
        for version, is_rejected in (("3 2", True), ("4 3", True), ("4 4", False), ("5 0", False)):
            command = f'. "{script("shell.sh")}"; missing_in_shell {version}'
            self.assertEqual("Bash 4.4" in run("bash", ["-c", command], []).output, is_rejected, version)

    def test_parameters_that_are_not_read_are_an_error(self):
        for text in ("", '[prod.deploy.parameters]\nparameter_overrides = []', '[prod.deploy.parameters]\nparameter_overrides = "Stage=prod"'):
            with self.subTest(text):
                (self.project / "samconfig.toml").write_text(text)
                result = self.release("prod")
                self.assertEqual(result.status, 1)
                self.assertIn("samconfig.toml", result.output)
                self.assertEqual({call[0] for call in result.calls}, {"git"})

    def test_keys_of_the_configuration_change_the_build(self):
        path = self.project / "samconfig.toml"
        path.write_text(path.read_text().replace('"Stage=prod",', '"Stage=prod", "GatewayApiKeys=required",'))
        [call] = self.release("prod").calls_of("sam", "build")
        self.assertIn(".gateway-keys.yaml", call)
        # The last value counts.
        [call] = self.release("prod", "GatewayApiKeys=none").calls_of("sam", "build")
        self.assertIn("template.yaml", call)

    def test_build_without_keys_is_not_deployed_with_keys(self):
        self.assertEqual(self.release("dev", "--build").status, 0)
        images = [("describe-images", "", 0)]
        result = self.release("dev", "--deploy", "GatewayApiKeys=required", first=images)
        self.assertEqual((result.status, result.calls_of("sam", "deploy")), (1, []))
        self.assertIn("GatewayApiKeys=required", result.output)
        self.assertEqual(self.release("dev", "--deploy", first=images).status, 0)

    def test_functions_alone_need_no_images(self):
        first = [("OutputKey=='Registry'", "", 255), ("OutputKey=='Cluster'", "", 0)]
        result = self.release("prod", "DeployBackend=false", first=first)
        self.assertEqual(result.status, 0, result.output)
        self.assertEqual((result.calls_of("docker"), result.calls_of("aws", "ecr")), ([], []))
        self.assertEqual(len(result.calls_of("sam", "deploy")), 1)
        self.assertEqual(self.release("prod", first=first).status, 1)

    def test_image_that_ecr_does_not_tell_is_an_error(self):
        result = self.release("prod", first=[("describe-images", "ExpiredTokenException", 255)])
        self.assertEqual((result.status, result.calls_of("docker", "buildx")), (1, []))
        self.assertIn("ExpiredTokenException", result.output)

    def test_status_that_is_unknown_is_an_error(self):
        result = self.release("prod", first=[("StackStatus", "AccessDenied", 254)])
        self.assertEqual((result.status, result.calls_of("sam", "deploy")), (1, []))
        self.assertIn("AccessDenied", result.output)

    def test_stack_that_cannot_be_changed_names_the_procedure(self):
        for status in ("UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "DELETE_FAILED"):
            with self.subTest(status):
                result = self.release("prod", status=status)
                self.assertEqual((result.status, result.calls_of("sam", "deploy")), (1, []))
                [heading] = re.findall(r'docs/runbook.md, "(.+)"', result.output)
                self.assertRegex(read("docs/runbook.md"), f"(?m)^##+ {heading}$")

    def test_first_production_release_publishes_one_version(self):
        first, second = self.deployed_parameters(self.release("prod", status=""))
        self.assertEqual(first["ReleaseId"], second["ReleaseId"])

    def test_failed_output_is_an_error(self):
        self.assertNotEqual(self.release("prod", first=[("OutputKey=='DatabaseStack'", "", 254)]).status, 0)

    def test_retention_of_the_shared_group_is_kept(self):
        groups = [call[4] for call in self.release("prod", retention="365").calls_of("aws", "logs", "put-retention-policy")]
        self.assertEqual((len(groups), "RDSOSMetrics" in groups), (2, False))

    def test_logs_of_the_database_expire(self):
        result = self.release("prod", "LogRetentionDays=60")
        groups = [(call[4], call[6]) for call in result.calls_of("aws", "logs", "put-retention-policy")]
        names = ["/aws/rds/instance/instance/postgresql", "/aws/rds/instance/instance/upgrade", "RDSOSMetrics"]
        self.assertEqual(groups, [(name, "60") for name in names])


class Preflight(unittest.TestCase):
    def preflight(self, stage, *arguments, lambda_limit="1000", processors="16.0", secret=0, used="1", stack=False, region="eu-central-1", scripts={}, first=()):
        responses = [
            *first,
            ("sts get-caller-identity", "123456789012", 0),
            ("describe-addresses", used, 0),
            ("describe-vpcs", used, 0),
            ("get-account-settings", lambda_limit, 0),
            ("fargate", processors, 0),
            ("get-service-quota", "5.0", 0),
            ("StackStatus", "CREATE_COMPLETE", 0),
            ("StackId", "", 0 if stack else 254),
            ("describe-secret", "ResourceNotFoundException", secret),
            ("describe-orderable-db-instance-options", "db.m7g.large", 0),
        ]
        programs = ("aws", "docker", "sam", "git", "cargo-lambda", "jq", "rustup")
        return run(script("preflight.sh"), [stage, *arguments], responses, programs, scripts, {"AWS_REGION": region})

    def test_used_quotas_count(self):
        result = self.preflight("prod", used="4")
        self.assertEqual(result.status, 1)
        self.assertIn("failed  free elastic IP addresses: 1; 2 is required", result.output)
        self.assertIn("ok      free VPCs: 1; 1 is required", result.output)

    def test_default_quota_counts(self):
        result = self.preflight("prod", first=[("get-service-quota", "", 254), ("get-aws-default-service-quota", "16.0", 0)])
        self.assertEqual(result.status, 0, result.output)

    def test_missing_program_or_login_fails(self):
        result = self.preflight("dev", first=[("docker buildx", "", 1)])
        self.assertEqual(result.status, 1)
        self.assertIn("failed  docker buildx", result.output)
        result = self.preflight("dev", first=[("sts get-caller-identity", "", 255)])
        self.assertEqual(result.status, 1)
        self.assertIn("no valid credentials", result.output)

    def test_sufficient_account_passes(self):
        for stage in ROLES:
            with self.subTest(stage):
                result = self.preflight(stage, "arn:aws:secretsmanager:a")
                self.assertEqual(result.status, 0, result.output)
                self.assertNotIn("failed", result.output)

    def test_new_account_fails_with_the_remedy(self):
        result = self.preflight("prod", lambda_limit="10", processors="6.0")
        self.assertEqual(result.status, 1)
        self.assertIn("failed  free concurrent Lambda executions: 10; 600 is required", result.output)
        self.assertIn("Readers=0", result.output)
        self.assertIn("failed  Fargate processors: 6; 13 is required", result.output)
        self.assertIn("request-service-quota-increase --service-code fargate", result.output)

    def test_existing_stack_has_its_reservations_and_its_network(self):
        result = self.preflight("prod", lambda_limit="480", used="5", stack=True)
        self.assertEqual(result.status, 0, result.output)
        self.assertEqual(self.preflight("prod", lambda_limit="480").status, 1)
        [call] = result.calls_of("aws", "lambda", "get-account-settings")
        self.assertIn("AccountLimit.UnreservedConcurrentExecutions", call)

    def test_unknown_values_fail(self):
        for name in ("get-account-settings", "fargate", "describe-addresses", "L-F678F1CE", "describe-orderable", "StackStatus"):
            with self.subTest(name):
                result = self.preflight("prod", first=[(name, "AccessDenied", 254)])
                self.assertEqual(result.status, 1, result.output)
                self.assertRegex(result.output, r"(?m)^failed  .*(unknown|not offered)")
        result = self.preflight("prod", "arn:secret", first=[("describe-secret", "AccessDenied", 254)])
        self.assertIn("failed  secret arn:secret: unknown; AccessDenied", result.output)

    def test_region_without_certificates_fails(self):
        for region in ("mars-north-1", "eu"):
            result = self.preflight("prod", region=region)
            self.assertEqual(result.status, 1)
            self.assertIn(f"failed  region: {region}", result.output)

    def test_class_that_the_region_lacks_fails(self):
        result = self.preflight("prod", first=[("describe-orderable", "None", 0)])
        self.assertIn("failed  database class", result.output)

    def test_missing_service_linked_role_fails(self):
        for role, service in (("ForECS", "ecs"), ("ForRDS", "rds"), ("ECSService", "ecs.application-autoscaling")):
            result = self.preflight("prod", first=[(f"get-role --role-name AWSServiceRole{role}", "", 254)] if role != "ECSService" else [("_ECSService", "", 254)])
            self.assertEqual(result.status, 1)
            self.assertIn(f"create-service-linked-role --aws-service-name {service}.amazonaws.com", result.output)
            self.assertIn(service + ".amazonaws.com", read("docs/deploy.md"))

    def test_older_python_fails(self):
        result = self.preflight("prod", scripts={"python3": "exit 1"})
        self.assertEqual(result.status, 1)
        self.assertIn("Python 3.11 or later", result.output)

    def test_missing_secret_fails(self):
        self.assertEqual(self.preflight("dev", "arn:aws:secretsmanager:a", secret=255).status, 1)

    def test_existing_event_bus_passes(self):
        bus = "arn:aws:events:eu-central-1:123456789012:event-bus/shop"
        result = self.preflight("prod", "arn:aws:secretsmanager:a", bus, first=[("describe-event-bus", bus, 0)])
        self.assertEqual(result.status, 0, result.output)
        self.assertIn(f"ok      event bus {bus}: found", result.output)
        [call] = result.calls_of("aws", "events")
        self.assertEqual(call[1:], ["events", "describe-event-bus", "--name", bus, "--query", "Arn", "--output", "text"])

    def test_missing_and_unknown_event_bus_fails(self):
        bus = "arn:aws:events:eu-central-1:123456789012:event-bus/shop"
        for response, line in (("ResourceNotFoundException", "missing; create it"), ("AccessDeniedException", "unknown; AccessDeniedException")):
            with self.subTest(response):
                result = self.preflight("prod", bus, first=[("describe-event-bus", response, 254)])
                self.assertEqual(result.status, 1)
                self.assertIn(f"failed  event bus {bus}: {line}", result.output)

    def test_sizes_are_those_of_the_template(self):
        text = (PROJECT / "infrastructure/preflight.sh").read_text()
        for stage in ROLES:
            with self.subTest(stage):
                main = main_template(Stage=stage)
                sizes = main.document["Mappings"]["Sizes"][stage]
                units = int(nested_template("worker", main).properties("Worker")["Cpu"])
                addresses = len(nested_template("vpc", main).of_type("AWS::EC2::EIP"))
                others = sum(sizes[f"{name}Concurrency"] for name in ("Start", "Signal", "Admin", "Webhook", "Web"))
                expected = (
                    f"{stage}) readers={sizes['Readers']} others={others} workers={sizes['MostWorkers']} percent={sizes['DeploymentPercent']} "
                    f"milliprocessors={units * 1000 // 1024} addresses={addresses} "
                    f"class={sizes['DatabaseClass']} stack="
                )
                self.assertIn(expected, text)


class Operate(unittest.TestCase):
    TASK = "arn:aws:ecs:eu-central-1:123456789012:task/cluster/0a1b2c3d"
    OUTPUTS = {
        "Cluster": "cluster",
        "ApiUrl": "https://api.example.com",
        "PrivateSubnets": "subnet-a,subnet-b",
        "WorkerGroup": "sg-worker",
        "OperateTask": "operate:1",
        "WorkerLogs": "logs",
    }

    @classmethod
    def responses(cls, state, lines, outputs=OUTPUTS):
        page = {"events": [{"message": line} for line in lines], "nextForwardToken": "f/1"}
        return [
            ("describe-stacks", json.dumps([{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]), 0),
            ("ecs run-task", json.dumps({"tasks": [{"taskArn": cls.TASK}], "failures": []}), 0),
            ("ecs list-tasks", cls.TASK, 0),
            ("ecs describe-tasks", json.dumps(state), 0),
            ("--next-token f/1", json.dumps({"events": [], "nextForwardToken": "f/1"}), 0),
            ("get-log-events", json.dumps(page), 0),
        ]

    def operate(self, *command, first=(), state=None, options=(), outputs=OUTPUTS, sleep=":"):
        state = state or {"lastStatus": "STOPPED", "containers": [{"exitCode": 0}]}
        responses = [*first, *self.responses(state, ["one", "two"], outputs)]
        return run(script("operate.sh"), [*options, "orderflow", *command], responses, scripts={"sleep": sleep})

    def command_of(self, result):
        [call] = result.calls_of("aws", "ecs", "run-task")
        [container] = json.loads(call[call.index("--overrides") + 1])["containerOverrides"]
        self.assertEqual(container["name"], "operate")
        # `orderflow check` calls the API.
        self.assertEqual(container["environment"], [{"name": "ORDERFLOW_URL", "value": "https://api.example.com"}])
        return container["command"]

    def test_command_is_the_override_of_the_container(self):
        result = self.operate("stock", "set", "ABC123", "100")
        self.assertEqual(result.status, 0, result.output)
        [call] = result.calls_of("aws", "ecs", "run-task")
        self.assertEqual(call[call.index("--task-definition") + 1], "operate:1")
        self.assertEqual(self.command_of(result), ["stock", "set", "ABC123", "100"])
        self.assertIn("subnets=[subnet-a,subnet-b],securityGroups=[sg-worker],assignPublicIp=DISABLED", " ".join(call))

    def test_arguments_reach_the_container_unchanged(self):
        arguments = ["db", """select 'a "b"',\n  '{"c": [1, 2]}'::jsonb -- $HOME `id`""", "", "--json", "ä\\n", "*"]
        self.assertEqual(self.command_of(self.operate(*arguments)), arguments)

    def test_each_line_of_a_long_log_is_printed_once(self):
        pages = [(f"--next-token f/{page}", {"events": [{"message": f"line {page}"}], "nextForwardToken": f"f/{page + 1}"}) for page in range(1, 5)]
        end = ("--next-token f/5", {"events": [], "nextForwardToken": "f/5"})
        result = self.operate("verify", first=[(text, json.dumps(page), 0) for text, page in [*pages, end]])
        self.assertTrue(result.output.endswith("one\ntwo\nline 1\nline 2\nline 3\nline 4\n"), result.output)

    def test_command_without_output_is_not_an_error(self):
        result = self.operate("verify", first=[("get-log-events", "ResourceNotFoundException", 254)])
        self.assertEqual(result.status, 0, result.output)

    def test_other_instance_is_the_one_of_the_variable(self):
        with unittest.mock.patch.dict(os.environ, {"DATABASE_HOST": "copy.example.com"}):
            [call] = self.operate("verify").calls_of("aws", "ecs", "run-task")
        [container] = json.loads(call[call.index("--overrides") + 1])["containerOverrides"]
        variables = {each["name"]: each["value"] for each in container["environment"]}
        # The same URL as that of the task definition, with another host.
        [task] = nested_template("worker").properties("Operate")["ContainerDefinitions"]
        [url] = [each["Value"] for each in task["Environment"] if each["Name"] == "DATABASE_URL"]
        self.assertEqual(variables["DATABASE_URL"], url.replace("Database.Outputs.Host", "copy.example.com"))

    def test_log_stream_is_that_of_the_task_definition(self):
        call = self.operate("verify").calls_of("aws", "logs", "get-log-events")[0]
        [container] = nested_template("worker").properties("Operate")["ContainerDefinitions"]
        prefix = container["LogConfiguration"]["Options"]["awslogs-stream-prefix"]
        self.assertIn(f"{prefix}/{container['Name']}/0a1b2c3d", call)

    def test_exit_code_is_that_of_the_command(self):
        self.assertEqual(self.operate("verify", state={"lastStatus": "STOPPED", "containers": [{"exitCode": 3}]}).status, 3)

    def test_killed_command_is_explained(self):
        result = self.operate("verify", state={"lastStatus": "STOPPED", "containers": [{"exitCode": 137, "reason": "OutOfMemoryError"}]})
        self.assertEqual(result.status, 137)
        self.assertIn("OutOfMemoryError", result.output)

    def test_task_that_did_not_start_is_an_error(self):
        failures = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time"}]}
        result = self.operate("verify", first=[("ecs run-task", json.dumps(failures), 0)])
        self.assertEqual(result.status, 1)
        self.assertIn("Capacity is unavailable at this time", result.output)
        result = self.operate("verify", state={"lastStatus": "STOPPED", "stoppedReason": "CannotPullContainerError", "containers": [{}]})
        self.assertEqual(result.status, 1)
        self.assertIn("CannotPullContainerError", result.output)

    def test_each_missing_output_is_an_error(self):
        for name in self.OUTPUTS:
            result = self.operate("verify", outputs={key: value for key, value in self.OUTPUTS.items() if key != name})
            self.assertEqual((result.status, result.calls_of("aws", "ecs")), (1, []), name)

    def test_stack_without_a_backend_is_an_error(self):
        result = self.operate("verify", outputs={"ApiUrl": "https://api.example.com"})
        self.assertEqual(result.status, 1)
        self.assertIn("DeployBackend=false", result.output)
        self.assertEqual(result.calls_of("aws", "ecs"), [])

    def test_task_stops_after_the_timeout(self):
        result = self.operate("verify", options=["--timeout", "1"], state={"lastStatus": "RUNNING", "containers": [{}]})
        self.assertEqual(result.status, 124, result.output)
        [call] = result.calls_of("aws", "ecs", "stop-task")
        self.assertIn(self.TASK, call)

    def test_task_stops_on_interrupt(self):
        for state in (None, {"lastStatus": "RUNNING", "containers": [{}]}):
            result = self.operate("verify", state=state, sleep="kill -INT $PPID")
            self.assertEqual(result.status, 130, result.output)
            [call] = result.calls_of("aws", "ecs", "stop-task")
            self.assertIn(self.TASK, call)

    def test_concurrent_calls_have_different_names(self):
        names = set()
        for _ in range(2):
            [call] = self.operate("verify").calls_of("aws", "ecs", "run-task")
            names.add(call[call.index("--started-by") + 1])
        self.assertEqual(len(names), 2)
        # ECS accepts 36 characters.
        self.assertTrue(all(re.fullmatch(r"[A-Za-z0-9-]{1,36}", name) for name in names), names)

    def test_command_that_a_task_cannot_run_is_refused(self):
        commands = re.findall(r"^## orderflow (.+)$", read("docs/cli.md"), re.MULTILINE)
        for command in ("db shell", "backup create", "snapshot list", "up", "demo", "reset"):
            with self.subTest(command):
                self.assertIn(command, commands)
                result = self.operate(*command.split())
                self.assertEqual((result.status, result.calls), (2, []), result.output)
        result = self.operate("start-order", "--file", "-")
        self.assertEqual((result.status, result.calls), (2, []))
        self.assertIn("standard input", result.output)

    def test_operators_commands_are_run(self):
        for command in ("check", "verify", "stock list", "webhooks list", "money list", "db select", "purge --older-than 400d --yes", "recover"):
            with self.subTest(command):
                self.assertEqual(self.command_of(self.operate(*command.split())), command.split())

    def test_task_may_log_in_as_the_worker_only(self):
        worker = nested_template("worker")
        [policy] = worker.properties("OperateRole")["Policies"]
        [statement] = policy["PolicyDocument"]["Statement"]
        self.assertEqual(statement["Action"], "rds-db:connect")
        self.assertTrue(statement["Resource"].endswith("/orderflow_worker"))
        [container] = worker.properties("Operate")["ContainerDefinitions"]
        self.assertNotIn("PGPASSWORD", str(container))
        self.assertIn("/orderflow:", container["Image"])

    def test_scripts_use_existing_outputs_of_the_stack(self):
        outputs = set(document("template.yaml")["Outputs"]) | set(document("infrastructure/account.yaml")["Outputs"])
        for name in ("operate.sh", "release.sh", "rehearse-restore.sh"):
            text = (PROJECT / "infrastructure" / name).read_text()
            used = set(re.findall(r'stack_output (?:"\$stack" |orderflow-account )?([A-Z]\w+)', text))
            self.assertGreater(len(used), 0)
            self.assertEqual(used - outputs, set())


class Pages(unittest.TestCase):
    """Commands on the pages for operators."""

    PAGES = ("runbook", "deploy", "game-days", "disaster-recovery", "backup-and-recovery", "security")

    def test_outputs_of_the_stack_exist(self):
        outputs = set(document("template.yaml")["Outputs"])
        for page in self.PAGES:
            with self.subTest(page):
                used = set(re.findall(r"\$\(out (\w+)", read(f"docs/{page}.md")))
                self.assertEqual(used - outputs, set())

    def test_parameters_in_code_spans_exist(self):
        parameters = set(document("template.yaml")["Parameters"]) | set(document("infrastructure/account.yaml")["Parameters"])
        for page in self.PAGES:
            with self.subTest(page):
                used = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)=", read(f"docs/{page}.md")))
                # `ParameterKey=` is syntax of the AWS CLI.
                self.assertEqual(used - parameters - {"ParameterKey"}, set())

    def test_recovery_in_another_region_has_each_regional_parameter(self):
        section = read("docs/disaster-recovery.md").split("### Recover in another region or account")[1].split("\n## ")[0]
        parameters = document("template.yaml")["Parameters"]
        # The ARN of a resource in a region.
        regional = {name for name, each in parameters.items() if ":[a-z0-9-]+:[0-9]{12}:" in each.get("AllowedPattern", "")}
        regional |= {name for name, each in parameters.items() if re.search(r"\b(vpce?|subnet)-", each.get("AllowedPattern", ""))}
        regional |= {"AlarmTopicArn", "CertificateArn", "HostedZoneId", "TemporalEndpointService", "Zones"}
        # Without a backend, there is no database to restore.
        regional -= {"DatabaseUrlSecretArn", "AdminDatabaseUrlSecretArn"}
        self.assertGreater(len(regional), 18)
        self.assertEqual(regional - set(re.findall(r"`(\w+)`", section)), set())
        [command] = re.findall(r"release\.sh prod ([^`]+)", section)
        values = dict(each.split("=", 1) for each in command.replace("\\\n", " ").split())
        self.assertEqual(set(values) - set(parameters), set())
        self.assertEqual((values["Workers"], values["BackupKeyArn"], values["HostedZoneId"]), ("stopped", "", ""))

    def test_game_days_expect_alarms_that_exist(self):
        expected = set(re.findall(r"\[([A-Z][^]]+)\]\(runbook\.md#", read("docs/game-days.md").replace("\n", " ")))
        expected = {" ".join(name.split()) for name in expected}
        names = {re.sub(r" \(.+\)$", "", alarm["AlarmName"].split(": ", 1)[1]) for alarm in alarms(main_template())}
        procedures = {"Temporal's key or certificate"}
        self.assertGreater(len(expected), 6)
        self.assertEqual(expected - names - procedures, set())


class RehearseRestore(unittest.TestCase):
    COPY = "rehearsal-instance"
    ORIGINAL = {
        "DBInstanceClass": "db.m7g.large",
        "AllocatedStorage": 100,
        "LatestRestorableTime": "2026-11-21T09:25:00Z",
        "DBSubnetGroup": {"DBSubnetGroupName": "subnets"},
        "DBParameterGroups": [{"DBParameterGroupName": "parameters"}],
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-database"}],
    }
    RESTORED = {
        "DBInstanceArn": "arn:aws:rds:eu-central-1:123456789012:db:rehearsal-instance",
        "DbiResourceId": "db-COPY",
    }

    @classmethod
    @functools.cache
    def rehearse(cls, *arguments, first=(), code="0"):
        responses = [
            *first,
            (f"describe-db-instances --db-instance-identifier {cls.COPY} --query", "copy.example.com", 0),
            (f"describe-db-instances --db-instance-identifier {cls.COPY}", "", 254),
            ("describe-db-instances --db-instance-identifier instance", json.dumps(cls.ORIGINAL), 0),
            ("OutputKey=='Database'", "instance", 0),
            ("--logical-resource-id Worker", "worker-stack", 0),
            ("--logical-resource-id OperateRole", "operate-role", 0),
            ("describe-db-snapshots", "newest", 0),
            ("restore-db-instance", json.dumps(cls.RESTORED), 0),
            *Operate.responses({"lastStatus": "STOPPED", "containers": [{"exitCode": int(code)}]}, ["ok  4711 orders"]),
        ]
        return run(script("rehearse-restore.sh"), ["orderflow", *arguments], responses, scripts={"sleep": ":"})

    def restores(self, result):
        return [call for call in result.calls if call[:2] == ["aws", "rds"] and call[2].startswith("restore-")]

    def assert_removed(self, result):
        [deleted] = result.calls_of("aws", "rds", "delete-db-instance")
        self.assertEqual(deleted[deleted.index("--db-instance-identifier") + 1], self.COPY)
        self.assertIn("--skip-final-snapshot", deleted)
        [policy] = result.calls_of("aws", "iam", "delete-role-policy")
        self.assertIn("operate-role", policy)

    def test_latest_moment_is_restored_verified_and_deleted(self):
        result = self.rehearse()
        self.assertEqual(result.status, 0, result.output)
        [restore] = self.restores(result)
        self.assertEqual(restore[2], "restore-db-instance-to-point-in-time")
        self.assertIn("--use-latest-restorable-time", restore)
        self.assertIn("ok  4711 orders", result.output)
        self.assertRegex(result.output, r"100 GiB: restored in \d+\.\d minutes, verified in \d+\.\d minutes")
        self.assertEqual(result.calls_of("aws", "rds", "wait", "db-instance-available")[0][-1], self.COPY)
        self.assert_removed(result)

    def test_copy_has_the_network_and_the_login_of_the_original(self):
        [restore] = self.restores(self.rehearse())
        for option, value in [
            ("--db-subnet-group-name", "subnets"),
            ("--vpc-security-group-ids", "sg-database"),
            ("--db-parameter-group-name", "parameters"),
            ("--db-instance-class", "db.m7g.large"),
        ]:
            self.assertEqual(restore[restore.index(option) + 1], value)
        # Without this option, a deletion would be refused.
        self.assertIn("--no-deletion-protection", restore)
        self.assertIn("--enable-iam-database-authentication", restore)
        self.assertIn("--no-publicly-accessible", restore)

    def test_name_of_the_copy_of_a_long_name_is_valid(self):
        # CloudFormation's names have up to 63 characters, which is also the limit of RDS.
        name = "orderflow-dev-database-1oi0yf3vstaqb-instance-kqtfz8fzvqdt-abcd"
        original = json.dumps(self.ORIGINAL)
        missing = ("--db-instance-identifier rehearsal-", "", 254)
        result = self.rehearse(first=(("OutputKey=='Database'", name, 0), (f"identifier {name} --query", original, 0), missing))
        [restore] = self.restores(result)
        copy = restore[restore.index("--target-db-instance-identifier") + 1]
        self.assertRegex(copy, r"^[a-z](-?[a-z0-9])+$")
        self.assertLessEqual(len(copy), 63)

    def test_other_sources(self):
        for source, option, value in [
            ("2026-11-21T09:30:00Z", "--restore-time", "2026-11-21T09:30:00Z"),
            ("snapshot", "--db-snapshot-identifier", "newest"),
            ("before-release-42", "--db-snapshot-identifier", "before-release-42"),
        ]:
            with self.subTest(source):
                [restore] = self.restores(self.rehearse(source))
                self.assertEqual(restore[restore.index(option) + 1], value)

    def test_login_is_allowed_for_the_copy_only_and_for_the_rehearsal_only(self):
        result = self.rehearse()
        [call] = result.calls_of("aws", "iam", "put-role-policy")
        [statement] = json.loads(call[call.index("--policy-document") + 1])["Statement"]
        self.assertEqual(statement["Action"], "rds-db:connect")
        self.assertEqual(statement["Resource"], "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-COPY/orderflow_worker")
        self.assert_removed(result)

    def test_verification_reads_the_copy(self):
        [call] = self.rehearse().calls_of("aws", "ecs", "run-task")
        [container] = json.loads(call[call.index("--overrides") + 1])["containerOverrides"]
        self.assertEqual(container["command"], ["verify"])
        self.assertIn("@copy.example.com:5432/", str(container["environment"]))

    def test_failed_verification_fails_and_deletes_the_copy(self):
        result = self.rehearse(code="1")
        self.assertEqual(result.status, 1)
        self.assertNotIn("restored in", result.output)
        self.assert_removed(result)

    def test_refused_login_permission_deletes_the_copy(self):
        result = self.rehearse(first=(("put-role-policy", "AccessDenied", 254),))
        self.assertNotEqual(result.status, 0)
        self.assert_removed(result)

    def test_refused_restore_deletes_nothing(self):
        result = self.rehearse(first=(("restore-db-instance", "", 254),))
        self.assertNotEqual(result.status, 0)
        self.assertEqual(result.calls_of("aws", "rds", "delete-db-instance"), [])

    def test_copy_that_exists_is_not_touched(self):
        result = self.rehearse(first=((f"describe-db-instances --db-instance-identifier {self.COPY}", "", 0),))
        self.assertEqual(result.status, 1)
        self.assertIn("exists already", result.output)
        self.assertEqual(self.restores(result), [])
        self.assertEqual(result.calls_of("aws", "rds", "delete-db-instance"), [])


class DeploymentPage(unittest.TestCase):
    """The commands of docs/deploy.md."""

    def test_secrets_are_no_arguments(self):
        page = read("docs/deploy.md")
        function = re.search(r"(?ms)^secret\(\) \{.*?^\}", page)[0]
        result = run("bash", ["-c", f"{function}\nprintf 'hidden value\\n' | {{ secret orderflow/smtp; }}"], [("create-secret", "arn:secret", 0)])
        self.assertEqual(result.status, 0, result.output)
        [call] = result.calls_of("aws", "secretsmanager", "create-secret")
        self.assertNotIn("hidden value", " ".join(call))
        self.assertEqual(call[call.index("--secret-string") + 1], "file:///dev/stdin")
        self.assertIn("arn:secret", result.output)
        self.assertEqual(re.findall(r"--secret-string (?!file:)\S+", page), [])

    def test_stack_of_the_account_keeps_its_role_after_a_failure(self):
        [command] = re.findall(r"aws cloudformation deploy --stack-name orderflow-account(?:.*\\\n)*.*", read("docs/deploy.md"))
        self.assertIn("--disable-rollback", command)

    def test_variables_are_set_before_their_use(self):
        page = read("docs/deploy.md")
        for definition, use in (("\nout() {", '"$(out '), ("\ntopic=", '"$topic"'), ("api=$(out", '"$api"')):
            self.assertGreater(page.index(definition), 0)
            self.assertLess(page.index(definition), page.index(use), definition)


class HiddenFailures(unittest.TestCase):
    def test_no_script_hides_the_exit_code_of_a_program(self):
        # Bash ignores the exit code of a process substitution, and those of all but the last substitution of an assignment.
        paths = [path for path in (PROJECT / "infrastructure").rglob("*.sh") if "tests" not in path.parts]
        self.assertGreater(len(paths), 10)
        for path in paths:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                with self.subTest(f"{path.name}:{number}"):
                    self.assertNotIn("< <(", line)
                    self.assertNotRegex(line, r"^\s*(export )?\w+=[^ ]*\$\([^()$]*\)[^ ]*\$\([^(]")
