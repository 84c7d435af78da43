"""Stacks of CloudFormation: their operations, resources, outputs and events. An unexpected result ends the program."""

import sys
import time

import boto3

TIMEOUT_SECONDS = 60

cloudformation = boto3.client("cloudformation")


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"{what}: got {actual!r}, expected {expected!r}")
    print(f"  {what}: {actual}")


class Stack:
    """A stack. Its events are those since the last call of `mark`."""

    def __init__(self, name):
        self.name = name
        self.known = 0

    def describe(self):
        return cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]

    def all_events(self):
        """Returns the events as (resource, status, reason), the oldest first."""
        pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
        events = [event for page in pages for event in page["StackEvents"]]
        parts = ("LogicalResourceId", "ResourceStatus", "ResourceStatusReason")
        return [tuple(event.get(part, "") for part in parts) for event in reversed(events)]

    def mark(self):
        self.known = len(self.all_events())

    def events(self):
        return self.all_events()[self.known :]

    def wait(self, expected):
        """Waits until the operation ends, and expects its status."""
        end = time.time() + TIMEOUT_SECONDS
        while (status := self.describe()["StackStatus"]).endswith("_IN_PROGRESS"):
            if time.time() > end:
                sys.exit(f"stack {self.name}: {status} after {TIMEOUT_SECONDS} s")
            time.sleep(0.2)
        if status != expected:
            for event in self.events():
                if "FAILED" in event[1]:
                    print("  ", *event, file=sys.stderr)
        expect(f"stack {self.name.rsplit('stack/')[-1]}", status, expected)

    def create(self, url, parameters, expected="CREATE_COMPLETE"):
        self.known = 0
        cloudformation.create_stack(StackName=self.name, **arguments(url, parameters))
        self.wait(expected)

    def update(self, url, parameters, expected="UPDATE_COMPLETE"):
        self.mark()
        cloudformation.update_stack(StackName=self.name, **arguments(url, parameters))
        self.wait(expected)

    def delete(self):
        # A deleted stack has only its id.
        stack_id = self.describe()["StackId"]
        cloudformation.delete_stack(StackName=self.name)
        Stack(stack_id).wait("DELETE_COMPLETE")

    def resource(self, name):
        detail = cloudformation.describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        return detail["StackResourceDetail"]["PhysicalResourceId"]

    def nested(self, name):
        return Stack(self.resource(name))

    def output(self, name):
        return next(each["OutputValue"] for each in self.describe()["Outputs"] if each["OutputKey"] == name)

    def position(self, resource, status):
        """Returns the position of the first such event."""
        found = [index for index, event in enumerate(self.events()) if event[:2] == (resource, status)]
        return found[0] if found else sys.exit(f"stack {self.name}: no event {status} of {resource}")


def arguments(url, parameters):
    return {
        "TemplateURL": url,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        # MiniStack loses the attributes of unchanged resources of a nested stack. A changed tag changes each resource.
        "Tags": [{"Key": "release", "Value": parameters.get("ImageTag", "none")}],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
