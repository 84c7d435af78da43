"""Resources that remain: images in the registry, and resources of a failed or a deleted stack."""

import json
import unittest

from cloudformation import Template, dependencies
from templates import FILES, document


class Registry:
    """A repository of images whose lifecycle rules are applied after each push, as ECR does within a day."""

    def __init__(self, policy):
        self.rules = sorted(policy["rules"], key=lambda rule: rule["rulePriority"])
        # Oldest first: the day of the push and the tags.
        self.images = []

    def push(self, day, *tags):
        self.images.append((day, tags))
        claimed, expired = [], []
        for rule in self.rules:
            selection = rule["selection"]
            selected = [image for image in self.images if self.selects(selection, image[1])]
            # ECR: a rule never expires an image that matches the tags of an earlier rule.
            candidates = [image for image in selected if image not in claimed]
            if selection["countType"] == "imageCountMoreThan":
                expired += candidates[: max(0, len(selected) - selection["countNumber"])]
            else:
                expired += [image for image in candidates if day - image[0] > selection["countNumber"]]
            claimed += selected
        self.images = [image for image in self.images if image not in expired]

    @staticmethod
    def selects(selection, tags):
        if selection["tagStatus"] == "any":
            return True
        if selection["tagStatus"] == "untagged":
            return not tags
        return all(any(tag.startswith(prefix) for tag in tags) for prefix in selection["tagPrefixList"])

    def tags(self):
        return {tag for _, tags in self.images for tag in tags}


class Images(unittest.TestCase):
    def registries(self):
        repositories = Template(document("infrastructure/account.yaml")).of_type("AWS::ECR::Repository")
        self.assertEqual(len(repositories), 2)
        for name, properties in repositories.items():
            with self.subTest(name):
                yield Registry(json.loads(properties["LifecyclePolicy"]["LifecyclePolicyText"]))

    def test_release_survives_forty_later_pushes(self):
        for registry in self.registries():
            registry.push(0, "release-0123456789ab")
            # The same image has two tags if a build of dev was released.
            registry.push(0, "dev-aaaaaaaaaaaa", "release-aaaaaaaaaaaa")
            for day in range(40):
                registry.push(day, f"dev-{day:012}")
            for day in range(40):
                registry.push(day, f"release-{day:012}")
            self.assertLessEqual({"release-0123456789ab", "release-aaaaaaaaaaaa"}, registry.tags())

    def test_old_builds_of_dev_expire(self):
        for registry in self.registries():
            for day in range(40):
                registry.push(day, f"dev-{day:012}")
            self.assertEqual(len(registry.tags()), 30)

    def test_images_without_a_tag_expire(self):
        for registry in self.registries():
            registry.push(0)
            registry.push(8, "dev-0123456789ab")
            self.assertEqual(len(registry.images), 1)


class FailedCreation(unittest.TestCase):
    def test_no_resource_remains_after_a_failed_creation(self):
        for name in FILES:
            for resource, properties in document(name)["Resources"].items():
                with self.subTest(f"{name} {resource}"):
                    self.assertNotEqual(properties.get("DeletionPolicy"), "Retain")

    def test_account_setting_is_created_last(self):
        template = Template(document("infrastructure/account.yaml"))
        self.assertEqual(dependencies(template)["Gateway"], set(template.resources) - {"Gateway"})
