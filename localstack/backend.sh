#!/usr/bin/env bash
# Deploys the whole template, with network, database and worker, into MiniStack: a creation that fails, a creation, an
# update, a release whose migrations fail, deletion. Checks the resources and the order of the events. Takes half a minute.
# Leaves nothing behind.
#
#   localstack/backend.sh --functions PROGRAM     one program that contains all functions
#                                                 (target/debug/function-under-test)
#
# The migrations run in a database of their own, on PostgreSQL and Temporal of a local stack: TEMPORAL_ADDRESS and
# DATABASE_URL, or else the running stack (`cargo orderflow up`). MiniStack lacks some types of resources and runs no
# container. substitutions.py has the list of changes.
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
if [ -z "${TEMPORAL_ADDRESS:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
    eval "$(cd "$root" && cargo orderflow env)"
fi
step "MiniStack"
start_ministack
"$ministack/python" "$here/emulator.py" wait

step "templates and functions"
"$here/package.sh" "$functions" "$folder"
export SAM=$sam/sam
"$ministack/python" -u "$here/backend.py" "$folder"
step "done"
