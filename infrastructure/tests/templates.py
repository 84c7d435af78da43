"""The templates of this project, and parameters with which they can be deployed.

The variable TEMPLATES names another folder with template.yaml and infrastructure/, such as a checkout of an older commit.
"""

import functools
import os
import pathlib
import re

from cloudformation import Template, load
from sam_transform import transform

PROJECT = pathlib.Path(__file__).resolve().parents[2]
ROOT = pathlib.Path(os.environ.get("TEMPLATES", PROJECT))
FILES = ("template.yaml", *(f"infrastructure/{name}.yaml" for name in ("account", "vpc", "network", "database", "proxy", "worker", "watch", "watch-function")))
STAGES = ("dev", "prod")
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orderflow/name-AbCdEf"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
# The parameters without a usable default.
REQUIRED = {
    "ImageTag": "release-0123456789ab",
    "TemporalAddress": "eu-central-1.aws.api.temporal.io:7233",
    "ApiKeysSecretArn": SECRET,
    "StripeKeySecretArn": SECRET,
    "PaymentProvider": "stripe",
    "AlarmTopicArn": TOPIC,
}


@functools.cache
def document(name):
    return load(ROOT / name)


def main_template(region="eu-central-1", **parameters):
    """Returns template.yaml with the required parameters and `parameters`."""
    return Template(document("template.yaml"), REQUIRED | parameters, region)


def transformed_template(**parameters):
    """Returns template.yaml after SAM's transform, as CloudFormation deploys it."""
    values = REQUIRED | parameters
    return Template(transform(document("template.yaml"), values), values)


def nested_template(name, main=None, **parameters):
    """Returns a nested template with the parameters that `main`, a template.yaml, passes to it."""
    main = main or main_template()
    passed = main.properties(name.capitalize())["Parameters"]
    return Template(document(f"infrastructure/{name}.yaml"), passed | parameters)


def alarms(main):
    """Returns all alarms of a deployment."""
    stacks = main.of_type("AWS::CloudFormation::Stack").values()
    found = []
    for stack in stacks:
        template = Template(document(stack["TemplateURL"]), stack["Parameters"])
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
            found += template.of_type(kind).values()
    return found


def read(name):
    return (ROOT / name).read_text()


def headings(page):
    """Returns the headings of a Markdown page."""
    return [match.group(1) for match in re.finditer(r"^#+ (.+)$", read(page), re.MULTILINE)]
