#!/usr/bin/env bash
# Checks a machine and an AWS account before a deployment: programs, region, free quotas, the database's class, service-linked
# roles, the stack of account.yaml, secrets, event buses. Changes nothing.
#
#   infrastructure/preflight.sh dev|prod [SECRET-ARN …] [EVENT-BUS-ARN …]
#
# Prints one line for each check. Exits with 1 if the deployment would fail.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/shell.sh"
require_shell
stage=${1:-}
case $stage in
    dev) readers=10 others=50 workers=1 percent=200 milliprocessors=500 addresses=1 class=db.t4g.small stack=orderflow-dev ;;
    prod) readers=40 others=420 workers=8 percent=150 milliprocessors=1000 addresses=2 class=db.m7g.large stack=orderflow ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
shift
failed=0

ok() {
    printf 'ok      %s: %s\n' "$1" "$2"
}

failed() {
    printf 'failed  %s: %s; %s\n' "$1" "$2" "$3"
    failed=1
}

check_at_least() {
    local name=$1 actual=$2 required=$3 remedy=$4
    # A quota can have decimals.
    actual=${actual%.*}
    if ! [[ $actual =~ ^-?[0-9]+$ ]]; then
        failed "$name" unknown "read the error above; the user needs the right to read it"
    elif [ "$actual" -ge "$required" ]; then
        ok "$name" "$actual; $required is required"
    else
        failed "$name" "$actual; $required is required" "$remedy"
    fi
}

# An account without a quota of its own has AWS's default.
quota() {
    local value
    value=$(aws service-quotas get-service-quota --service-code "$1" --quota-code "$2" --query Quota.Value --output text 2>/dev/null) ||
        value=$(aws service-quotas get-aws-default-service-quota --service-code "$1" --quota-code "$2" --query Quota.Value --output text) || return
    echo "$value"
}

# Prints the part of a quota that is not in use, or nothing if it is unknown.
free_quota() {
    local limit used=$3
    limit=$(quota "$1" "$2") || return 0
    if [[ $used =~ ^[0-9]+$ ]]; then echo $((${limit%.*} - used)); fi
}

raise() {
    printf 'request it: aws service-quotas request-service-quota-increase --service-code %s --quota-code %s --desired-value %s' "$@"
}

for program in aws docker git jq python3 rustup sam cargo-lambda; do
    if command -v "$program" >/dev/null; then
        ok "program $program" found
    else
        failed "program $program" missing "see step 0 of docs/deploy.md"
    fi
done
if has_python; then ok Python "3.11 or later"; else failed Python "older than 3.11" "Python 3.11 or later is required"; fi
if docker buildx version >/dev/null 2>&1; then ok "docker buildx" found; else failed "docker buildx" missing "install Docker's plug-in buildx"; fi
identity=$(aws sts get-caller-identity --query Account --output text) || { echo "error: AWS: no valid credentials; run aws configure, or set AWS_PROFILE" >&2; exit 1; }
ok account "$identity"
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
# The template accepts the regions of this list.
regions=$(sed -n '/^  RegionOfDatabase:/,/AssertDescription:/p' "$here/../template.yaml" | tr -s ', \n' ' ')
case $regions in
    *" ${region:-none} "*) ok region "$region" ;;
    *) failed region "${region:-none}" "set AWS_REGION to a region of docs/deploy.md, or use DeployBackend=false" ;;
esac
if class=$(aws rds describe-orderable-db-instance-options --engine postgres --engine-version 17 --db-instance-class "$class" \
    --query 'OrderableDBInstanceOptions[0].DBInstanceClass' --output text) && [ "$class" != None ] && [ -n "$class" ]; then
    ok "database class" "$class with PostgreSQL 17"
else
    failed "database class" "not offered with PostgreSQL 17" "use another region, or change DatabaseClass in template.yaml"
fi
for service in ecs rds ecs.application-autoscaling; do
    case $service in
        ecs) role=AWSServiceRoleForECS ;;
        rds) role=AWSServiceRoleForRDS ;;
        *) role=AWSServiceRoleForApplicationAutoScaling_ECSService ;;
    esac
    if aws iam get-role --role-name "$role" >/dev/null 2>&1; then
        ok "service-linked role $role" found
    else
        failed "service-linked role $role" missing "create it: aws iam create-service-linked-role --aws-service-name $service.amazonaws.com"
    fi
done
# The functions of an existing stack have their reservations already.
if aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackId' --output text >/dev/null 2>&1; then
    has_stack=yes
else
    has_stack=no
fi
# Lambda leaves at least 100 executions without a reservation, or rejects the reservation. Each function has one.
[ "$has_stack" = yes ] && executions=100 || executions=$((2 * readers + others + 100))
limit=$(aws lambda get-account-settings --query AccountLimit.UnreservedConcurrentExecutions --output text) || limit=
check_at_least "free concurrent Lambda executions" "$limit" "$executions" \
    "$(raise lambda L-B99A9384 1000), or deploy with Readers=0 StartConcurrency=0 SignalConcurrency=0 WebhookConcurrency=0 AdminConcurrency=0 WebConcurrency=0 until it is granted"
# The workers during a deployment, and one task for an operator.
processors=$(((workers * percent / 100 * milliprocessors + 250 + 999) / 1000))
limit=$(quota fargate L-3032A538) || limit=
check_at_least "Fargate processors" "$limit" "$processors" "$(raise fargate L-3032A538 "$processors")"
# An existing stack has its network.
if [ "$has_stack" = no ]; then
    used=$(aws ec2 describe-addresses --query 'length(Addresses)' --output text) || used=
    check_at_least "free elastic IP addresses" "$(free_quota ec2 L-0263D0A3 "$used")" "$addresses" "$(raise ec2 L-0263D0A3 $((used + 5)))"
    used=$(aws ec2 describe-vpcs --query 'length(Vpcs)' --output text) || used=
    check_at_least "free VPCs" "$(free_quota vpc L-F678F1CE "$used")" 1 "$(raise vpc L-F678F1CE $((used + 5)))"
fi

if status=$(aws cloudformation describe-stacks --stack-name orderflow-account --query 'Stacks[0].StackStatus' --output text 2>&1); then
    case $status in
        CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE) ok "stack orderflow-account" "$status" ;;
        *) failed "stack orderflow-account" "$status" "see step 1 of docs/deploy.md" ;;
    esac
else
    case $status in
        *"does not exist"*) failed "stack orderflow-account" missing "do step 1 of docs/deploy.md" ;;
        *) failed "stack orderflow-account" unknown "$status" ;;
    esac
fi
for arn in "$@"; do
    case $arn in
        arn:*:events:*:event-bus/*)
            kind="event bus"
            command=(events describe-event-bus --name "$arn" --query Arn)
            ;;
        *)
            kind=secret
            command=(secretsmanager describe-secret --secret-id "$arn" --query ARN)
            ;;
    esac
    if response=$(aws "${command[@]}" --output text 2>&1); then
        ok "$kind $arn" found
    else
        case $response in
            *ResourceNotFoundException*) failed "$kind $arn" missing "create it, or correct the ARN and the region" ;;
            *) failed "$kind $arn" unknown "$response" ;;
        esac
    fi
done
exit "$failed"
