#!/usr/bin/env bash
# Deploys the whole template, with network, database and worker, into MiniStack: creation, an update, releases whose
# migrations fail, deletion. Checks the resources and the order of the events. Takes half a minute and needs no running stack.
# Leaves nothing behind.
#
#   localstack/backend.sh --functions PROGRAM     one program that contains all functions
#                                                 (target/debug/function-under-test)
#
# MiniStack lacks some types of resources and runs no container. backend.py has the list of its substitutions.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
if [ $# != 2 ] || [ "$1" != --functions ]; then sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; fi
functions=$(realpath "$2")

sam=$("$root/tools/venv.sh" sam)
folder=$(mktemp -d)
# shellcheck source=localstack/shared.sh
. "$here/shared.sh"

clean_up() {
    local status=$?
    if [ "$status" != 0 ] && [ -e "$folder/emulator.log" ]; then
        tail -n 20 "$folder/emulator.log" >&2
    fi
    stop_ministack
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

use_emulator_credentials us-east-1
step "MiniStack"
# The Migrator sends its calls of ECS to backend.py, which ends the tasks.
export TASKS_PORT
TASKS_PORT=$(free_port)
start_ministack AWS_ENDPOINT_URL_ECS="http://127.0.0.1:$TASKS_PORT"

step "templates and functions"
"$here/package.sh" "$functions" "$folder"
"$ministack/python" "$here/backend.py" substitute "$folder/infrastructure"
"$ministack/python" "$here/emulator.py" wait
"$ministack/python" "$here/backend.py" bucket
"$sam/sam" package --template-file "$folder/template.yaml" --s3-bucket templates --region us-east-1 --no-progressbar \
    --output-template-file "$folder/packaged.yaml" >"$folder/sam.log" 2>&1 || { cat "$folder/sam.log" >&2; exit 1; }

"$ministack/python" -u "$here/backend.py" deploy "$folder/packaged.yaml"
step "done"
