#!/usr/bin/env bash
# Rehearses a restore of the database: restores it into a second instance, runs `orderflow verify` against the copy inside
# the network of the stack, prints the measured times, and deletes the copy. Does not change the first instance.
#
#   infrastructure/rehearse-restore.sh STACK [latest | snapshot | TIME | SNAPSHOT]
#   infrastructure/rehearse-restore.sh orderflow 2026-11-21T09:30:00Z
#
# `latest` (the default) restores the latest possible moment, `snapshot` the newest snapshot. The copy costs as much as
# an instance in one zone while it exists. Exits with 1 if the restore or the verification fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/shell.sh"
require_shell
if [ $# -lt 1 ] || [ $# -gt 2 ]; then sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; fi
stack=$1
source=${2:-latest}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

stack_output() {
    aws cloudformation describe-stacks --stack-name "$stack" --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}

stack_resource() {
    aws cloudformation describe-stack-resource --stack-name "$1" --logical-resource-id "$2" \
        --query StackResourceDetail.PhysicalResourceId --output text
}

minutes_since() {
    awk -v seconds=$((SECONDS - $1)) 'BEGIN { printf "%.1f", seconds / 60 }'
}

database=$(stack_output Database)
[ -n "$database" ] || fail "stack $stack: it has no database; it was deployed with DeployBackend=false"
# A name has at most 63 characters and no two hyphens in a row. The end of the original's name makes it unique.
copy=rehearsal-$(tail -c 50 <<<"$database" | sed 's/^-*//')
if aws rds describe-db-instances --db-instance-identifier "$copy" >/dev/null 2>&1; then
    fail "instance $copy: it exists already; delete it if no rehearsal is running: aws rds delete-db-instance --skip-final-snapshot --db-instance-identifier $copy"
fi
worker=$(stack_resource "$stack" Worker)
role=$(stack_resource "$worker" OperateRole)
original=$(aws rds describe-db-instances --db-instance-identifier "$database" --query 'DBInstances[0]' --output json)
property() {
    jq -r "$1" <<<"$original"
}

# The copy is in the network of the original, and its user logs in with IAM tokens. It has no standby and no protection.
groups=$(property '.VpcSecurityGroups[].VpcSecurityGroupId')
mapfile -t groups <<<"$groups"
options=(
    --db-instance-class "$(property .DBInstanceClass)" --db-subnet-group-name "$(property .DBSubnetGroup.DBSubnetGroupName)"
    --db-parameter-group-name "$(property '.DBParameterGroups[0].DBParameterGroupName')" --vpc-security-group-ids "${groups[@]}"
    --enable-iam-database-authentication --no-publicly-accessible --no-multi-az --no-deletion-protection
    --no-auto-minor-version-upgrade --query DBInstance --output json
)
point_in_time=(rds restore-db-instance-to-point-in-time --source-db-instance-identifier "$database" --target-db-instance-identifier "$copy")
from_snapshot=(rds restore-db-instance-from-db-snapshot --db-instance-identifier "$copy" --db-snapshot-identifier)
case $source in
    latest)
        echo "== the latest possible moment is $(property .LatestRestorableTime); now it is $(date --utc +%Y-%m-%dT%H:%M:%SZ)"
        restore=("${point_in_time[@]}" --use-latest-restorable-time)
        ;;
    snapshot)
        newest=$(aws rds describe-db-snapshots --db-instance-identifier "$database" --output text \
            --query "sort_by(DBSnapshots[?Status=='available'], &SnapshotCreateTime)[-1].DBSnapshotIdentifier")
        case $newest in '' | None) fail "instance $database: it has no snapshot; use latest" ;; esac
        echo "== the newest snapshot is $newest"
        restore=("${from_snapshot[@]}" "$newest")
        ;;
    [0-9][0-9][0-9][0-9]-*T*) restore=("${point_in_time[@]}" --restore-time "$source") ;;
    *) restore=("${from_snapshot[@]}" "$source") ;;
esac

clean_up() {
    local status=$?
    echo "== deletion of $copy"
    aws iam delete-role-policy --role-name "$role" --policy-name rehearsal 2>/dev/null || true
    aws rds delete-db-instance --skip-final-snapshot --delete-automated-backups --db-instance-identifier "$copy" \
        --query DBInstance.DBInstanceStatus --output text || { echo "error: delete the instance $copy and the policy rehearsal of $role yourself" >&2; status=1; }
    exit "$status"
}

begin=$SECONDS
restored=$(aws "${restore[@]}" "${options[@]}")
trap clean_up EXIT
trap 'exit 130' INT TERM
echo "== restore of $source into $copy"
# The role of operators' commands may log in to the original only. The ARN is arn:PARTITION:rds:REGION:ACCOUNT:db:NAME.
policy=$(jq -c '(.DBInstanceArn | split(":")) as $arn | {Version: "2012-10-17", Statement: [{Effect: "Allow", Action: "rds-db:connect",
    Resource: "arn:\($arn[1]):rds-db:\($arn[3]):\($arn[4]):dbuser:\(.DbiResourceId)/orderflow_worker"}]}' <<<"$restored")
aws iam put-role-policy --role-name "$role" --policy-name rehearsal --policy-document "$policy"
# One call waits for half an hour. A large database takes longer.
for attempt in 1 2 3 4 5 6; do
    if aws rds wait db-instance-available --db-instance-identifier "$copy"; then break; fi
    [ "$attempt" != 6 ] || fail "instance $copy: it was not available after three hours"
done
host=$(aws rds describe-db-instances --db-instance-identifier "$copy" --query 'DBInstances[0].Endpoint.Address' --output text)
restore_minutes=$(minutes_since "$begin")
echo "== verification of $host"
begin=$SECONDS
DATABASE_HOST=$host "$here/operate.sh" "$stack" verify || fail "orderflow verify: the copy is not consistent, or it could not be read; see above"
echo "== $(property .AllocatedStorage) GiB: restored in $restore_minutes minutes, verified in $(minutes_since "$begin") minutes"
