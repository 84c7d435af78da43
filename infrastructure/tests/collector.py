"""Copies the configurations of the collector into infrastructure/worker.yaml.

    collector.py            prints the block of the template
    collector.py --write    writes it into the template
"""

import re
import sys

from templates import PROJECT

TEMPLATE = PROJECT / "infrastructure/worker.yaml"
# The value of the template for Collector=prometheus, and that for Collector=cloudwatch.
MODES = ("prometheus", "cloudwatch")
NAME = "              - Name: AOT_CONFIG_CONTENT\n"


def configuration(mode):
    return (PROJECT / f"infrastructure/collector/{mode}.yaml").read_text()


def block():
    lines = ["                Value: !If\n", "                  - WritesToPrometheus\n"]
    for mode in MODES:
        lines.append("                  - |\n")
        lines += [f"                    {line}" if line.strip() else line for line in configuration(mode).splitlines(keepends=True)]
    return "".join(lines)


def updated(template):
    """Returns the template with the present configurations."""
    pattern = re.compile(rf"({re.escape(NAME)}).*?(?=^ {{12}}LogConfiguration:)", re.DOTALL | re.MULTILINE)
    text, count = pattern.subn(lambda match: match.group(1) + block(), template)
    assert count == 1, "infrastructure/worker.yaml: AOT_CONFIG_CONTENT must be followed by LogConfiguration"
    return text


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        TEMPLATE.write_text(updated(TEMPLATE.read_text()))
    else:
        print(block())
