#!/usr/bin/env bash
# Checks the templates without AWS: cfn-lint and SAM check the syntax, Checkov the security, and infrastructure/tests the
# behaviour. The templates contain the exceptions for Checkov and their reasons. Takes half a minute and works offline once
# the tools are installed.
set -euo pipefail
cd "$(dirname "$0")/.."
sam=$(tools/venv.sh sam)
checkov=$(tools/venv.sh checkov)
export AWS_DEFAULT_REGION=eu-central-1 SAM_CLI_TELEMETRY=0

"$sam/cfn-lint" template.yaml infrastructure/*.yaml infrastructure/pipeline/*.yaml
"$sam/sam" validate --lint --template template.yaml
"$checkov/checkov" --framework cloudformation --compact --quiet --skip-download --file template.yaml infrastructure/*.yaml infrastructure/pipeline/*.yaml

# Our own rules: no action has a wildcard, and a comment above each resource with a wildcard gives the reason.
python3 - template.yaml infrastructure/*.yaml infrastructure/pipeline/*.yaml <<'PYTHON'
import re, sys

problems = []
for name in sys.argv[1:]:
    lines = open(name).read().splitlines()
    for number, line in enumerate(lines, 1):
        text = line.split(" #")[0].strip()
        if re.fullmatch(r"-? ?\"?[a-z0-9-]+:[A-Za-z]*\*.*", text) or re.search(r"Action:.*[*]", text):
            problems.append(f"{name}:{number}: action: has a wildcard; list the actions")
        if re.search(r"Resource: (\"\*\"|.*[:/]\*\"?$)", text):
            preceding = lines[max(0, number - 14) : number]
            if not any(text.strip().startswith("#") for text in preceding):
                problems.append(f"{name}:{number}: resource: has a wildcard without a reason; add a comment above it")
sys.exit("\n".join(problems) or None)
PYTHON

# The tests evaluate rules, conditions and SAM's transform, and run the scripts in infrastructure/ with stubs of the tools.
(cd infrastructure/tests && "$sam/python" -B -W error::SyntaxWarning -m unittest --buffer)
echo "templates: all checks passed"
