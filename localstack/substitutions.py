"""The changes of the templates that the emulators need. Nothing else of a template is changed."""

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


def remove_metric_math(template):
    """Removes all alarms on an expression and returns their number."""
    found = [key for key, resource in template["Resources"].items() if "Metrics" in resource.get("Properties", {})]
    for key in found:
        del template["Resources"][key]
    return len(found)


def set_output(template, name, value):
    """Replaces the value of an output by a constant."""
    if name not in template["Outputs"]:
        return 0
    template["Outputs"][name]["Value"] = value
    return 1


def remove_release_alarms(template):
    """Removes the alarms that roll a release back from all functions and returns their number."""
    functions = [each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    return sum(each.pop("DeploymentPreference", None) is not None for each in functions)


def set_variable(template, name, value):
    """Replaces the value of a variable of the function that migrates."""
    variables = template["Resources"]["MigrateFunction"]["Properties"]["Environment"]["Variables"]
    if name not in variables:
        return 0
    variables[name] = value
    return 1


# The template, the change and its arguments, the reason. An argument {NAME} is a value that backend.py passes.
MINISTACK = (
    ("vpc", remove_type, ("AWS::EC2::EIP",), "MiniStack rejects templates with this type"),
    ("vpc", remove_type, ("AWS::EC2::NatGateway",), "MiniStack rejects templates with this type"),
    ("network", remove_type, ("AWS::EC2::SecurityGroupIngress",), "MiniStack rejects templates with this type"),
    ("network", remove_type, ("AWS::EC2::SecurityGroupEgress",), "MiniStack does not create this type"),
    ("vpc", remove_resource, ("PrivateWayOutOfA",), "the route refers to a removed NAT gateway"),
    ("vpc", remove_resource, ("PrivateWayOutOfB",), "the route refers to a removed NAT gateway"),
    ("vpc", set_output, ("NatGateways", "nat-a,nat-b"), "the output refers to removed NAT gateways"),
    ("vpc", set_output, ("Addresses", "192.0.2.1,192.0.2.2"), "the output refers to removed addresses"),
    ("database", set_output, ("OwnerSecretArn", "{secret}"), "MiniStack's RDS creates no secret of the owner"),
    ("template", set_variable, ("DATABASE_URL", "{database}"), "MiniStack's RDS runs no server, so it is that of a local stack"),
    ("template", set_variable, ("DATABASE_IAM_AUTH", "off"), "the server of a local stack knows no tokens"),
    ("worker", remove_type, ("AWS::ApplicationAutoScaling::ScalingPolicy",), "MiniStack rejects templates with this type"),
    ("worker", remove_type, ("AWS::ApplicationAutoScaling::ScalableTarget",), "MiniStack rejects templates with this type"),
    ("worker", remove_resource, ("BacklogJumps",), "the alarm starts a removed scaling policy"),
    ("watch", remove_metric_math, (), "MiniStack rejects alarms on an expression"),
    ("watch-function", remove_metric_math, (), "MiniStack rejects alarms on an expression"),
    ("watch-function", set_output, ("ReleaseSlow", "slow"), "the output refers to a removed alarm"),
    ("watch", remove_type, ("AWS::CloudWatch::CompositeAlarm",), "MiniStack rejects templates with this type"),
    ("watch", remove_type, ("AWS::Logs::QueryDefinition",), "MiniStack rejects templates with this type"),
    ("watch", remove_type, ("AWS::Budgets::Budget",), "MiniStack rejects templates with this type"),
)

LOCALSTACK = (
    ("template", remove_release_alarms, (), "LocalStack compares templates before SAM's transform, in which these are a loop"),
)


def substitute_template(substitutions, name, path, **values):
    """Applies the substitutions of one template to the file `path`. Exits if one of them has no effect."""
    template = load(path)
    for _, change, arguments, reason in [each for each in substitutions if each[0] == name]:
        count = change(template, *(each.format(**values) for each in arguments))
        text = " ".join([f"{name}.yaml:", change.__name__.replace("_", " "), *arguments[:1]])
        if not count:
            sys.exit(f"{text}: the template has none; remove this substitution")
        print(f"  {text} ({count}): {reason}")
    # JSON is valid YAML.
    path.write_text(json.dumps(template, indent=1))


def substitute(folder, **values):
    """Applies the substitutions for MiniStack to the templates in `folder`."""
    for name in dict.fromkeys(name for name, *_ in MINISTACK):
        path = folder / ("template.yaml" if name == "template" else f"infrastructure/{name}.yaml")
        substitute_template(MINISTACK, name, path, **values)


if __name__ == "__main__":
    # For up.sh: the emulator, the name of a template and its file.
    emulator, name, path = sys.argv[1:]
    substitute_template({"ministack": MINISTACK, "localstack": LOCALSTACK}[emulator], name, pathlib.Path(path))
