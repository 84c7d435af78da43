"""Prints the change set of a stack and of its nested stacks as Markdown, and deletes it. infrastructure/release.sh calls it.

python3 infrastructure/pipeline/review.py STACK TEMPLATE [NAME="VALUE" …]
"""

import json
import pathlib
import re
import subprocess
import sys
import time

DONE = {"CREATE_COMPLETE", "FAILED"}
# CloudFormation reports these instead of an empty change set.
UNCHANGED = "didn't contain changes", "No updates are to be performed"


def call(*arguments):
    process = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout or "null")


def describe_stack(stack):
    """Returns the description of a stack, or None if it does not exist. Another failure is an error."""
    arguments = "aws", "cloudformation", "describe-stacks", "--stack-name", stack, "--output", "json"
    process = subprocess.run(arguments, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.returncode == 0:
        return json.loads(process.stdout)["Stacks"][0]
    reason = (process.stderr or process.stdout).strip()
    if "does not exist" in reason:
        return None
    sys.exit(f"error: stack {stack}: CloudFormation does not describe it: {reason}")


def cloudformation(command, *arguments):
    return call("aws", "cloudformation", command, *arguments, "--output", "json")


def parse_parameters(arguments):
    """Returns the parameters of `NAME="VALUE"`, in which quotes inside of the value have a backslash."""
    found = {}
    for argument in arguments:
        name, value = argument.split("=", 1)
        if value[:1] == value[-1:] == '"' and len(value) > 1:
            value = value[1:-1].replace('\\"', '"')
        # As for SAM, the last value counts.
        found[name] = value
    return found


def upload(template):
    """Uploads a built template with its nested templates, and returns the URL. It is larger than a request allows."""
    packaged = template.with_name("review.yaml")
    prefix = "review"
    subprocess.run(
        ["sam", "package", "--template-file", str(template), "--resolve-s3", "--s3-prefix", prefix, "--output-template-file", str(packaged)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    nested = re.search(r"TemplateURL: (https://\S+/)[^/\s]+\.template", packaged.read_text())
    bucket = re.search(r"s3://([^/\s]+)/", packaged.read_text())
    if not nested or not bucket:
        sys.exit(f"error: {packaged}: no nested template was uploaded; see the output of sam package")
    name = f"{time.time_ns()}.yaml"
    subprocess.run(["aws", "s3", "cp", "--only-show-errors", str(packaged), f"s3://{bucket[1]}/{prefix}/{name}"], check=True)
    return f"{nested[1]}{name}"


def list_changes(change_set):
    """Yields (stack, change) of a change set and of those of its nested stacks."""
    described = cloudformation("describe-change-set", "--change-set-name", change_set)
    for change in described.get("Changes", []):
        resource = change["ResourceChange"]
        if resource.get("ChangeSetId"):
            yield from list_changes(resource["ChangeSetId"])
        else:
            yield described["StackName"], resource


def wait_for(change_set):
    while True:
        described = cloudformation("describe-change-set", "--change-set-name", change_set)
        if described["Status"] in DONE:
            return described
        time.sleep(5)


def format_changes(stack, changes):
    lines = [f"### Changes of the stack `{stack}`", ""]
    if not changes:
        return "\n".join([*lines, "None."])
    lines += ["| stack | action | resource | type | replaced |", "|---|---|---|---|---|"]
    for name, change in changes:
        replaced = change.get("Replacement", "")
        lines.append(f"| {name} | {change['Action']} | {change['LogicalResourceId']} | {change['ResourceType']} | {replaced} |")
    lost = [change for _, change in changes if change["ResourceType"] == "AWS::RDS::DBInstance" and is_lost(change)]
    if lost:
        lines += ["", "**This release replaces or deletes the database.** Do not release it without a plan (docs/runbook.md, \"Restore\")."]
    return "\n".join(lines)


def is_lost(change):
    return change["Action"] == "Remove" or change.get("Replacement") in ("True", "Conditional")


def main(stack, template, *arguments):
    described = describe_stack(stack)
    if not described:
        print(f"### Changes of the stack `{stack}`\n\nThe stack does not exist. Its first release creates it.")
        return
    given = parse_parameters(arguments)
    known = cloudformation("get-template-summary", "--template-url", url := upload(pathlib.Path(template)))["Parameters"]
    previous = {parameter["ParameterKey"] for parameter in described.get("Parameters", [])}
    parameters = []
    for name in (parameter["ParameterKey"] for parameter in known):
        if name in given:
            parameters.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in previous:
            parameters.append({"ParameterKey": name, "UsePreviousValue": True})
    change_set = cloudformation(
        "create-change-set",
        *("--stack-name", stack),
        *("--change-set-name", f"review-{time.time_ns()}"),
        "--include-nested-stacks",
        *("--template-url", url),
        *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
        *("--parameters", json.dumps(parameters)),
    )["Id"]
    try:
        result = wait_for(change_set)
        reason = result.get("StatusReason", "")
        if result["Status"] == "FAILED" and not any(text in reason for text in UNCHANGED):
            sys.exit(f"error: stack {stack}: CloudFormation rejects the change set: {reason}")
        print(format_changes(stack, list(list_changes(change_set))))
    finally:
        subprocess.run(["aws", "cloudformation", "delete-change-set", "--change-set-name", change_set], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
