#!/usr/bin/env bash
# What can be said of the templates without AWS: their form (cfn-lint, SAM), and what an auditor would say (Checkov, whose
# exceptions stand in the templates with their reasons). Half a minute once the programs are there; offline.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
sam=$("$here/venv.sh" sam)
checkov=$("$here/venv.sh" checkov)
cd "$here/.."
export AWS_DEFAULT_REGION=eu-central-1 SAM_CLI_TELEMETRY=0

"$sam/cfn-lint" template.yaml infrastructure/*.yaml
"$sam/sam" validate --lint --template template.yaml
"$checkov/checkov" --framework cloudformation --compact --quiet --skip-download --file template.yaml infrastructure/*.yaml

# Whatever a checker thinks of it: no action has a wildcard, and a resource that is all of them has its reason above it.
python3 - template.yaml infrastructure/*.yaml <<'PYTHON'
import re, sys

wrong = []
for name in sys.argv[1:]:
    lines = open(name).read().splitlines()
    for number, line in enumerate(lines, 1):
        text = line.split(" #")[0].strip()
        if re.fullmatch(r"-? ?\"?[a-z0-9-]+:[A-Za-z]*\*.*", text) or re.search(r"Action:.*[*]", text):
            wrong.append(f"{name}:{number}: a wildcard in an action")
        if re.search(r"Resource: (\"\*\"|.*[:/]\*\"?$)", text):
            around = lines[max(0, number - 14) : number]
            if not any(each.strip().startswith("#") for each in around):
                wrong.append(f"{name}:{number}: a wildcard in a resource without a reason")
sys.exit("\n".join(wrong) or None)
PYTHON
echo "the templates are well"
