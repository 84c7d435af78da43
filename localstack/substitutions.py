"""The changes of the nested templates that MiniStack needs. Nothing else of a template is changed."""

import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "infrastructure/tests"))
from cloudformation import load  # noqa: E402


def remove_type(template, name):
    """Removes all resources of a type and returns their number."""
    found = [key for key, resource in template["Resources"].items() if resource["Type"] == name]
    for key in found:
        del template["Resources"][key]
    return len(found)


def remove_resource(template, name):
    return int(template["Resources"].pop(name, None) is not None)


def set_output(template, name, value):
    """Replaces the value of an output by a constant."""
    if name not in template["Outputs"]:
        return 0
    template["Outputs"][name]["Value"] = value
    return 1


SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:rds-owner-AbCdEf"
# The template, the change and its arguments, the reason.
SUBSTITUTIONS = (
    ("vpc", remove_type, ("AWS::EC2::EIP",), "MiniStack rejects templates with this type"),
    ("vpc", remove_type, ("AWS::EC2::NatGateway",), "MiniStack rejects templates with this type"),
    ("network", remove_type, ("AWS::EC2::SecurityGroupIngress",), "MiniStack rejects templates with this type"),
    ("network", remove_type, ("AWS::EC2::SecurityGroupEgress",), "MiniStack does not create this type"),
    ("vpc", remove_resource, ("PrivateWayOutOfA",), "the route refers to a removed NAT gateway"),
    ("vpc", remove_resource, ("PrivateWayOutOfB",), "the route refers to a removed NAT gateway"),
    ("vpc", set_output, ("NatGateways", "nat-a,nat-b"), "the output refers to removed NAT gateways"),
    ("vpc", set_output, ("Addresses", "192.0.2.1,192.0.2.2"), "the output refers to removed addresses"),
    ("database", set_output, ("OwnerSecretArn", SECRET), "MiniStack's RDS creates no secret of the owner"),
    ("worker", remove_type, ("AWS::ApplicationAutoScaling::ScalingPolicy",), "MiniStack rejects templates with this type"),
    ("worker", remove_type, ("AWS::ApplicationAutoScaling::ScalableTarget",), "MiniStack rejects templates with this type"),
)


def substitute(folder):
    """Applies the substitutions to the nested templates in `folder`. Exits if one of them has no effect."""
    templates = {name: load(folder / f"{name}.yaml") for name, *_ in SUBSTITUTIONS}
    for name, change, arguments, reason in SUBSTITUTIONS:
        count = change(templates[name], *arguments)
        text = f"{name}.yaml: {change.__name__.replace('_', ' ')} {arguments[0]}"
        if not count:
            sys.exit(f"{text}: the template has none; remove this substitution")
        print(f"  {text} ({count}): {reason}")
    for name, template in templates.items():
        # JSON is valid YAML.
        (folder / f"{name}.yaml").write_text(json.dumps(template, indent=1))
