#!/usr/bin/env bash
# Checks the subjects of commits: `area: imperative summary`, at most 72 characters (CONTRIBUTING.md, "Commits").
# Without an argument: every commit since the check exists. With one: those of a range, such as `main..HEAD`.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Commits before this time do not follow the rule.
since=2026-11-29T13:55:00Z
range=${1:-HEAD}
areas='aws|bench|build|ci|cli|console|contract|devstack|docs|domain|events|functions|fuzz|http|infrastructure|localstack|migrations|openapi|order-client|payment-providers|payment-webhooks|query|settings|signal|start|store|telemetry|tests|web|webhook|worker|workflows'
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
done < <(git log --no-merges --since-as-filter="$since" --format='%H%x09%s' "$range")
exit "$wrong"
