#!/usr/bin/env bash
# Rehearses `orderflow snapshot` with MiniStack's RDS, which records calls but runs no database. Creates a snapshot twice,
# lists it and restores it into a second instance; the first instance remains unchanged. Then runs commands that must
# fail. Leaves nothing behind.
#
#   localstack/snapshot.sh target/debug/orderflow-under-test     the program of the tests, or another with the feature aws
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
orderflow=$(realpath "$1")
folder=$(mktemp -d)
# shellcheck source=localstack/shared.sh
. "$here/shared.sh"

clean_up() {
    local status=$?
    [ "$status" = 0 ] || tail -n 20 "$folder/emulator.log" >&2 || true
    stop_ministack
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

use_emulator_credentials eu-central-1
unset DATABASE_URL
start_ministack
export AWS_REGION=eu-central-1
"$ministack/python" "$here/emulator.py" wait

rds() { "$ministack/python" - "$@"; }
rds <<'PYTHON'
import boto3
boto3.client("rds").create_db_instance(
    DBInstanceIdentifier="orderflow", DBInstanceClass="db.t4g.small", Engine="postgres", AllocatedStorage=20,
    MasterUsername="orderflow_owner", MasterUserPassword="not-a-secret", StorageEncrypted=True, StorageType="gp3")
PYTHON

cd "$folder"
export ORDERFLOW_DB_INSTANCE=orderflow
run() {
    printf '$ orderflow %s\n' "$*"
    "$orderflow" "$@"
}
run_failing() {
    printf '$ orderflow %s\n' "$*"
    if "$orderflow" "$@"; then echo "orderflow $*: succeeded, but must fail" >&2; exit 1; fi
}
run snapshot create before-release-42
run snapshot create before-release-42
run snapshot list
run snapshot restore before-release-42
run_failing snapshot restore before-release-42
run_failing snapshot restore no-such-snapshot --to another
run_failing snapshot create --instance no-such-instance

rds <<'PYTHON'
import boto3
client = boto3.client("rds")
instances = sorted(each["DBInstanceIdentifier"] for each in client.describe_db_instances()["DBInstances"])
assert instances == ["orderflow", "orderflow-restored"], instances
snapshots = [each["DBSnapshotIdentifier"] for each in client.describe_db_snapshots()["DBSnapshots"]]
assert snapshots == ["before-release-42"], snapshots
PYTHON
echo "RDS has the original instance, the restored instance and one snapshot"
