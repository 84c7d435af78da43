"""Options that organisations require: a boundary of permissions, own keys, and tags that reach every resource."""

import tomllib
import unittest

from cloudformation import Template
from templates import FILES, PROJECT, VARIANTS, deployment, document, main_template, read

BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def templates(**parameters):
    """Yields the path and the content of all templates, for each variant of a deployment."""
    for variant in VARIANTS:
        yield from deployment(**variant, **parameters).items()
    boundary = parameters.get("PermissionsBoundaryArn", "")
    yield "infrastructure/account.yaml", Template(document("infrastructure/account.yaml"), {"PermissionsBoundaryArn": boundary})


def resources(resource_type, **parameters):
    for number, (name, template) in enumerate(templates(**parameters)):
        for resource, properties in template.of_type(resource_type).items():
            yield f"{name} ({number}) {resource}", properties


class Variants(unittest.TestCase):
    def test_variants_can_be_deployed(self):
        self.assertEqual([main_template(**each).violated_rules() for each in VARIANTS], [[] for _ in VARIANTS])

    def test_variants_have_every_resource(self):
        # SAM renames some resources of template.yaml.
        every = [*templates(), *(("template.yaml", main_template(**each)) for each in VARIANTS)]
        found = {(name, resource) for name, template in every for resource in template.resources if template.exists(resource)}
        expected = {(name, resource) for name in FILES for resource in document(name)["Resources"]}
        self.assertEqual(expected - found, set())


class Boundary(unittest.TestCase):

    def test_every_role_has_the_boundary(self):
        roles = dict(resources("AWS::IAM::Role", PermissionsBoundaryArn=BOUNDARY))
        self.assertGreater(len(roles), 12)
        self.assertEqual([name for name, role in roles.items() if role.get("PermissionsBoundary") != BOUNDARY], [])

    def test_no_role_has_a_boundary_by_default(self):
        self.assertEqual([name for name, role in resources("AWS::IAM::Role") if "PermissionsBoundary" in role], [])

    def test_no_role_is_made_by_the_transform(self):
        # Such a role would have no boundary.
        for variant in VARIANTS:
            roles = set(deployment(**variant)["template.yaml"].of_type("AWS::IAM::Role"))
            self.assertEqual(roles, set(main_template(**variant).of_type("AWS::IAM::Role")))


class LogsKey(unittest.TestCase):
    def test_every_log_group_has_the_key_and_a_retention(self):
        groups = dict(resources("AWS::Logs::LogGroup", LogsKeyArn=KEY, LogRetentionDays="60"))
        self.assertGreater(len(groups), 9)
        self.assertEqual([name for name, group in groups.items() if group.get("KmsKeyId") != KEY], [])
        self.assertEqual([name for name, group in groups.items() if group["RetentionInDays"] != "60"], [])

    def test_no_log_group_has_a_key_by_default(self):
        self.assertEqual([name for name, group in resources("AWS::Logs::LogGroup") if "KmsKeyId" in group], [])

    def test_page_admits_cloudwatch_to_the_key(self):
        self.assertIn("logs.REGION.amazonaws.com", read("docs/security.md"))


class Tags(unittest.TestCase):
    def test_both_deployments_name_their_tags(self):
        configuration = tomllib.loads((PROJECT / "samconfig.toml").read_text())
        for environment in ("default", "prod"):
            with self.subTest(environment):
                self.assertIn("project=orderflow", configuration[environment]["deploy"]["parameters"]["tags"])

    def test_service_passes_tags_to_its_tasks(self):
        services = dict(resources("AWS::ECS::Service"))
        self.assertGreater(len(services), 0)
        for name, service in services.items():
            self.assertEqual(service["PropagateTags"], "SERVICE", name)
