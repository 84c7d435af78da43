"""Evaluates CloudFormation templates without AWS: rules, conditions, mappings and intrinsic functions.

References to resources stay symbolic, as `Reference`, so that tests can compare values and find dependencies.
"""

import ipaddress
import itertools
import pathlib
import re

import yaml

REGION = "eu-central-1"
PSEUDO_PARAMETERS = {
    "AWS::Region": REGION,
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "orderflow",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/orderflow/0a1b2c3d",
}
NO_VALUE = object()


class Reference(str):
    """A value that exists only after a resource was created, such as `Database.Outputs.Host`."""


class _Loader(yaml.SafeLoader):
    """Reads `!Ref X` as `{"Ref": "X"}`, and every other tag as `{"Fn::NAME": value}`."""


def _read_tag(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _read_tag)


def load(path):
    return yaml.load(pathlib.Path(path).read_text(), _Loader)


class Template:
    """A template with values for its parameters. `parameters` replace the defaults."""

    def __init__(self, document, parameters=None, region=REGION):
        self.document = document
        self.resources = document["Resources"]
        self.values = PSEUDO_PARAMETERS | {"AWS::Region": region}
        for name, parameter in document.get("Parameters", {}).items():
            default = parameter.get("Default")
            self.values[name] = "" if default is None else str(default)
        for name, value in (parameters or {}).items():
            self.values[name] = value if isinstance(value, (str, list)) else str(value)
        for name, parameter in document.get("Parameters", {}).items():
            value = self.values[name]
            if parameter["Type"] == "CommaDelimitedList" and not isinstance(value, Reference | list):
                self.values[name] = value.split(",")

    def violated_rules(self):
        """Returns the descriptions of the assertions that fail, which stop a deployment."""
        violated = []
        for rule in self.document.get("Rules", {}).values():
            if "RuleCondition" in rule and not self.evaluate(rule["RuleCondition"]):
                continue
            violated += [each["AssertDescription"] for each in rule["Assertions"] if not self.evaluate(each["Assert"])]
        return violated

    def has_condition(self, name):
        return self.evaluate(self.document["Conditions"][name])

    def exists(self, resource):
        condition = self.resources[resource].get("Condition")
        return condition is None or self.has_condition(condition)

    def of_type(self, resource_type):
        """Returns the existing resources of a type, with evaluated properties."""
        return {
            name: self.properties(name)
            for name, resource in self.resources.items()
            if resource["Type"] == resource_type and self.exists(name)
        }

    def properties(self, resource):
        return self.evaluate(self.resources[resource].get("Properties", {}))

    def evaluate(self, value):
        """Returns `value` with all intrinsic functions replaced by their results."""
        if isinstance(value, list):
            return [each for each in map(self.evaluate, value) if each is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self._reference(argument)
            if function == "Condition" and isinstance(argument, str):
                return self.has_condition(argument)
            if function.startswith("Fn::"):
                return getattr(self, f"_{function.removeprefix('Fn::').lower()}")(argument)
        evaluated = {key: self.evaluate(each) for key, each in value.items()}
        return {key: each for key, each in evaluated.items() if each is not NO_VALUE}

    def _reference(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.values:
            return self.values[name]
        # SAM creates `Api.Stage` and similar resources.
        assert name.split(".")[0] in self.resources, f"!Ref {name}: no such parameter or resource"
        return Reference(name)

    def _getatt(self, argument):
        return Reference(".".join(argument))

    def _if(self, argument):
        condition, yes, no = argument
        return self.evaluate(yes if self.has_condition(condition) else no)

    def _equals(self, argument):
        left, right = self.evaluate(argument)
        return str(left) == str(right)

    def _not(self, argument):
        return not self.evaluate(argument[0])

    def _and(self, argument):
        return all(self.evaluate(argument))

    def _or(self, argument):
        return any(self.evaluate(argument))

    def _contains(self, argument):
        values, value = self.evaluate(argument)
        return value in values

    def _join(self, argument):
        separator, parts = self.evaluate(argument)
        return _derive(separator.join(map(str, parts)), parts)

    def _select(self, argument):
        index, values = self.evaluate(argument)
        if isinstance(values, list) and not (len(values) == 1 and isinstance(values[0], Reference)):
            return values[int(index)]
        # A part of a value that exists later.
        return Reference(f"{values[0] if isinstance(values, list) else values}[{index}]")

    def _split(self, argument):
        separator, text = self.evaluate(argument)
        return [text] if isinstance(text, Reference) else text.split(separator)

    def _findinmap(self, argument):
        name, first, second = self.evaluate(argument)
        return self.document["Mappings"][name][first][second]

    def _getazs(self, _):
        return [f"{self.values['AWS::Region']}{letter}" for letter in "abc"]

    def _cidr(self, argument):
        block, count, bits = self.evaluate(argument)
        subnets = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
        return [str(subnet) for subnet in itertools.islice(subnets, int(count))]

    def _sub(self, argument):
        text, variables = (argument, {}) if isinstance(argument, str) else argument
        used = []

        def value_of(match):
            name = match.group(1)
            if name in variables:
                value = self.evaluate(variables[name])
            elif "." in name and name not in self.values:
                value = Reference(name)
            else:
                value = self._reference(name)
            used.append(value)
            return str(value)

        return _derive(re.sub(r"\$\{([A-Za-z0-9:.]+)\}", value_of, text), used)


def _derive(text, parts):
    """Returns `text` as a reference if one of the parts that it was made of is a reference."""
    return Reference(text) if any(isinstance(part, Reference) for part in parts) else text


def referenced(value, template):
    """Returns the resources to which an unevaluated value refers under the conditions of `template`."""
    found = set()

    def add(name):
        name = name.split(".")[0]
        if name in template.resources:
            found.add(name)

    def visit(part):
        if isinstance(part, list):
            for each in part:
                visit(each)
        elif isinstance(part, dict):
            if "Ref" in part:
                add(part["Ref"])
            elif "Fn::GetAtt" in part:
                add(part["Fn::GetAtt"][0])
            elif "Fn::If" in part:
                condition, yes, no = part["Fn::If"]
                visit(yes if template.has_condition(condition) else no)
            elif "Fn::Sub" in part:
                argument = part["Fn::Sub"]
                text, variables = (argument, {}) if isinstance(argument, str) else argument
                for name in re.findall(r"\$\{([A-Za-z0-9.]+)\}", text):
                    if name not in variables:
                        add(name)
                visit(variables)
            else:
                for each in part.values():
                    visit(each)

    visit(value)
    return found


def dependencies(template):
    """Returns, for each resource, the resources that CloudFormation creates or updates before it."""
    direct = {}
    for name, resource in template.resources.items():
        explicit = resource.get("DependsOn", [])
        explicit = {explicit} if isinstance(explicit, str) else set(explicit)
        direct[name] = explicit | referenced(resource.get("Properties", {}), template)
    every = {}
    for name in direct:
        seen, open_names = set(), [name]
        while open_names:
            for each in direct.get(open_names.pop(), ()):
                if each not in seen:
                    seen.add(each)
                    open_names.append(each)
        every[name] = seen
    return every
