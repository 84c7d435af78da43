#!/usr/bin/env bash
# Compares the resources of a stack and of its nested stacks with their templates. Prints each resource that was changed or
# deleted outside of CloudFormation, and exits with 1 if there is one. Changes nothing. The storage of the database may grow.
#
#   infrastructure/drift.sh STACK
set -euo pipefail
export AWS_PAGER=''
. "$(dirname "$0")/shell.sh"
require_shell
[ $# = 1 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

# RDS enlarges the storage of an instance by itself.
# shellcheck disable=SC2016
readonly DIFFERENCES='.StackResourceDrifts[]
  | (.ResourceType == "AWS::RDS::DBInstance") as $grows
  | [.PropertyDifferences[]?.PropertyPath | select(($grows and . == "/AllocatedStorage") | not)] as $paths
  | select((.StackResourceDriftStatus == "MODIFIED" and $grows and $paths == []) | not)
  | "\(.LogicalResourceId) (\(.ResourceType)): \(.StackResourceDriftStatus) \($paths | join(" "))"'

nested=$(aws cloudformation list-stack-resources --stack-name "$1" --output json \
    --query "StackResourceSummaries[?ResourceType=='AWS::CloudFormation::Stack'].PhysicalResourceId" | jq -r '.[]')
mapfile -t stacks <<<"$1${nested:+$'\n'$nested}"
drifted=0
for stack in "${stacks[@]}"; do
    detection=$(aws cloudformation detect-stack-drift --stack-name "$stack" --query StackDriftDetectionId --output text)
    while true; do
        result=$(aws cloudformation describe-stack-drift-detection-status --stack-drift-detection-id "$detection" --output json)
        status=$(jq -r .DetectionStatus <<<"$result")
        [ "$status" = DETECTION_IN_PROGRESS ] || break
        sleep 5
    done
    # A resource that cannot be read fails the detection, but the result of the others exists.
    [ "$status" = DETECTION_COMPLETE ] || { echo "error: stack $stack: $(jq -r '.DetectionStatusReason // "not compared"' <<<"$result")" >&2; drifted=1; }
    resources=$(aws cloudformation describe-stack-resource-drifts --stack-name "$stack" \
        --stack-resource-drift-status-filters MODIFIED DELETED --output json |
        jq -r "$DIFFERENCES")
    if [ -n "$resources" ]; then
        drifted=1
        printf '%s:\n%s\n' "$stack" "$resources"
    else
        echo "$stack: no drift"
    fi
done
exit "$drifted"
