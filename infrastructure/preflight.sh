#!/usr/bin/env bash
# Checks a machine and an AWS account before the first deployment: programs, free quotas, the stack of account.yaml, secrets.
# Changes nothing.
#
#   infrastructure/preflight.sh dev|prod [SECRET-ARN …]
#
# Prints one line for each check. Exits with 1 if the deployment would fail.
set -euo pipefail
stage=${1:-}
case $stage in
    dev) readers=10 others=37 workers=1 percent=200 milliprocessors=500 addresses=1 ;;
    prod) readers=40 others=340 workers=8 percent=150 milliprocessors=1000 addresses=2 ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
shift
failed=0

report() {
    local result=$1 name=$2 actual=$3 required=$4 remedy=$5
    if [ "$result" = ok ]; then
        printf 'ok      %s: %s; %s is required\n' "$name" "$actual" "$required"
    else
        printf 'failed  %s: %s; %s is required; %s\n' "$name" "$actual" "$required" "$remedy"
        failed=1
    fi
}

check_at_least() {
    local name=$1 actual=$2 required=$3 remedy=$4
    # A quota can have decimals.
    if [ "${actual%.*}" -ge "$required" ]; then report ok "$name" "${actual%.*}" "$required" ''; else report failed "$name" "${actual%.*}" "$required" "$remedy"; fi
}

# An account without a quota of its own has AWS's default.
quota() {
    aws service-quotas get-service-quota --service-code "$1" --quota-code "$2" --query Quota.Value --output text 2>/dev/null ||
        aws service-quotas get-aws-default-service-quota --service-code "$1" --quota-code "$2" --query Quota.Value --output text
}

# Prints the part of a quota that is not in use.
free_quota() {
    local limit
    limit=$(quota "$1" "$2")
    echo $((${limit%.*} - $3))
}

raise() {
    printf 'request it: aws service-quotas request-service-quota-increase --service-code %s --quota-code %s --desired-value %s' "$@"
}

for program in docker git jq sam cargo-lambda; do
    if command -v "$program" >/dev/null; then
        report ok "program $program" exists exists ''
    else
        report failed "program $program" missing exists "see step 0 of docs/deploy.md"
    fi
done
if docker buildx version >/dev/null 2>&1; then report ok "docker buildx" exists exists ''; else report failed "docker buildx" missing exists "install Docker's plug-in buildx"; fi
identity=$(aws sts get-caller-identity --query Account --output text) || { echo "error: AWS: no valid credentials; run aws configure, or set AWS_PROFILE" >&2; exit 1; }
report ok "account $identity" "region ${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || echo none)}}" "one of docs/deploy.md" ''
# Lambda leaves at least 100 executions without a reservation, or rejects the reservation. Each function has one.
limit=$(aws lambda get-account-settings --query AccountLimit.ConcurrentExecutions --output text)
check_at_least "concurrent Lambda executions" "$limit" $((2 * readers + others + 100)) \
    "$(raise lambda L-B99A9384 1000), or deploy with Readers=0 StartConcurrency=0 SignalConcurrency=0 WebhookConcurrency=0 WebConcurrency=0 until it is granted"
# The workers during a deployment, and one task each for migrations and an operator.
processors=$(((workers * percent / 100 * milliprocessors + 500 + 999) / 1000))
check_at_least "Fargate processors" "$(quota fargate L-3032A538)" "$processors" "$(raise fargate L-3032A538 "$processors")"
used=$(aws ec2 describe-addresses --query 'length(Addresses)' --output text)
check_at_least "free elastic IP addresses" "$(free_quota ec2 L-0263D0A3 "$used")" "$addresses" "$(raise ec2 L-0263D0A3 $((used + 5)))"
used=$(aws ec2 describe-vpcs --query 'length(Vpcs)' --output text)
check_at_least "free VPCs" "$(free_quota vpc L-F678F1CE "$used")" 1 "$(raise vpc L-F678F1CE $((used + 5)))"

if status=$(aws cloudformation describe-stacks --stack-name orderflow-account --query 'Stacks[0].StackStatus' --output text 2>/dev/null); then
    case $status in
        CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE) report ok "stack orderflow-account" "$status" complete '' ;;
        *) report failed "stack orderflow-account" "$status" complete "delete it and repeat step 1 of docs/deploy.md" ;;
    esac
else
    report failed "stack orderflow-account" missing complete "do step 1 of docs/deploy.md"
fi
for arn in "$@"; do
    if aws secretsmanager describe-secret --secret-id "$arn" --query ARN --output text >/dev/null 2>&1; then
        report ok "secret $arn" exists exists ''
    else
        report failed "secret $arn" missing exists "create it, or correct the ARN and the region"
    fi
done
exit "$failed"
