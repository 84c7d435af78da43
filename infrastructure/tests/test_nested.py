"""The nested stacks of a deployment without a backend can be created in LocalStack.

LocalStack drops an empty parameter of a nested stack that has no default, and then rejects each condition that reads it.
"""

import unittest

from templates import document, main_template


def compared_with_nothing(value):
    """Yields the parameters that `value` compares with an empty text."""
    if isinstance(value, dict):
        match value.get("Fn::Equals"):
            case [{"Ref": name}, ""] | ["", {"Ref": name}]:
                yield name
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from compared_with_nothing(part)


class EmptyParameters(unittest.TestCase):
    def test_parameters_that_may_be_empty_have_a_default(self):
        stacks = main_template(DeployBackend="false").of_type("AWS::CloudFormation::Stack").values()
        files = sorted({stack["TemplateURL"] for stack in stacks})
        self.assertEqual(files, ["infrastructure/watch-function.yaml", "infrastructure/watch.yaml"])
        for file in files:
            names = set(compared_with_nothing(document(file)["Conditions"]))
            self.assertIn("TopicArn", names)
            for name in names:
                with self.subTest(file=file, parameter=name):
                    self.assertEqual(document(file)["Parameters"][name].get("Default"), "")
