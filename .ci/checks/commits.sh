#!/usr/bin/env bash
# Checks the subjects of commits: `area: imperative summary`, at most 72 characters (CONTRIBUTING.md, "Commits").
# Without an argument: every commit since this check exists. With one: a range, such as `main..HEAD`.
set -euo pipefail
cd "$(dirname "$0")/../.."
first=$(git log --diff-filter=A --format=%H -- .ci/checks/commits.sh | tail -n 1)
range=${1:-$first..HEAD}
areas='aws|build|ci|cli|console|contract|devstack|docs|domain|functions|fuzz|http|infrastructure|localstack|migrations|openapi|order-client|payment-webhooks|settings|store|telemetry|tests|worker|workflows'
wrong=0
while IFS=$'\t' read -r hash subject; do
    problem=
    [ ${#subject} -le 72 ] || problem="has ${#subject} characters; at most 72 are allowed"
    [[ $subject =~ ^($areas)(,\ ($areas))*:\ [a-zA-Z] ]] || problem="must begin with an area: $areas"
    [[ $subject =~ :\ (the|a|an|what|who|how|when|where|no|more)\  ]] && problem="must continue with a verb in the imperative"
    [[ $subject != *. ]] || problem="must not end with a full stop"
    if [ -n "$problem" ]; then
        printf '%s "%s": the subject %s\n' "${hash:0:8}" "$subject" "$problem" >&2
        wrong=1
    fi
done < <(git log --no-merges --format='%H%x09%s' "$range")
exit "$wrong"
