"""Applies SAM's transform to template.yaml as CloudFormation does, offline."""

import copy
import os

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
# The transform creates a client, but sends no request.
from samtranslator.translator.transform import transform as apply_transform  # noqa: E402


class NoManagedPolicies:
    """The templates use ARNs of managed policies, so the transform needs no list of them."""

    def load(self):
        return {}


def transform(document, parameters):
    """Returns the CloudFormation template that SAM creates of `document` for these parameters."""
    document = copy.deepcopy(document)
    # The transform runs after `sam package`, which replaces local folders by addresses in S3.
    for resource in document["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("CodeUri", "ContentUri"):
            if name in properties:
                properties[name] = f"s3://bucket/{properties[name]}"
    return apply_transform(document, {name: str(value) for name, value in parameters.items()}, NoManagedPolicies())
