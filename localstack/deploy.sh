#!/usr/bin/env bash
# Tests a deployment of the API into an emulator of AWS, with `sam deploy`, the command that also deploys it into AWS:
# starts an environment with up.sh, calls it from another shell, sends an order to delivered, a signed webhook event,
# rejected calls and a rotated key through the emulated API Gateway, deploys a changed program, and ends the environment with down.sh. No
# process and no file may remain.
#
#   localstack/deploy.sh --functions PROGRAM --orderflow PROGRAM
#
#   --functions PROGRAM     one program that contains all functions (target/debug/function-under-test)
#   --orderflow PROGRAM     runs the local stack (target/debug/orderflow-under-test)
#   --emulator NAME         localstack or ministack [default: localstack]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
functions='' orderflow='' emulator_name=localstack
while [ $# -gt 0 ]; do
    case $1 in
        --functions) functions=$(realpath "$2"); shift 2 ;;
        --orderflow) orderflow=$(realpath "$2"); shift 2 ;;
        --emulator) emulator_name=$2; shift 2 ;;
        *) functions=''; break ;;
    esac
done
if [ ! -f "$functions" ] || [ ! -f "$orderflow" ]; then sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; fi
# shellcheck source=localstack/shared.sh
. "$here/shared.sh"
sam=$("$root/tools/venv.sh" sam)
parent=$(mktemp -d)
folder=$parent/environment

clean_up() {
    local status=$?
    if [ "$status" != 0 ]; then tail -n 40 "$folder"/emulator.log "$folder"/logs/*.log >&2 2>/dev/null || true; fi
    "$here/down.sh" --folder "$folder" >/dev/null || true
    rm -rf "$parent"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() {
    echo "deploy.sh: $1" >&2
    exit 1
}

# Starts or updates the environment. Two tests at the same time must not choose the same port.
up() {
    "$here/up.sh" --keep --folder "$folder" --port 0 --emulator "$emulator_name" --functions "$1" --orderflow "$orderflow" |
        tee "$parent/output"
}
up "$functions"
# shellcheck source=/dev/null
. "$folder/environment"
use_emulator_credentials us-east-1

step "the printed commands in another shell"
commands=$(grep -E '^(export ORDERFLOW_URL|curl )' "$parent/output")
[ "$(grep -c '^curl ' <<<"$commands")" = 3 ] || fail "up.sh printed other commands than expected: $commands"
statuses=$(env -i PATH="$PATH" bash -c "$commands" 2>/dev/null | tr -d '\r' | grep -o '^HTTP/1.1 [0-9]*' | cut -d ' ' -f 2 | xargs)
[ "$statuses" = "200 202 200" ] || fail "the printed commands: got statuses $statuses, expected 200 202 200"

step "an order, a webhook event, rejected calls and a rotated key through the gateway"
# LocalStack writes the logs of the functions to files.
logs=()
[ "$emulator_name" != ministack ] || logs=(--logs)
"$sam/python" "$here/emulator.py" check orderflow "${logs[@]}"

step "a second deployment, with a changed program"
before=$("$sam/python" "$here/emulator.py" code orderflow)
objcopy --add-section ".changed=$here/deploy.sh" "$functions" "$parent/changed"
up "$parent/changed" >/dev/null
rm "$parent/changed"
grep "runs already" "$parent/output" || fail "up.sh did not find its environment"
after=$("$sam/python" "$here/emulator.py" code orderflow)
[ "$before" != "$after" ] || fail "functions: still have the code $before"
status=$(curl -s -o "$parent/body" -w '%{http_code}' "$(sed -n 's/^API  *http/http/p' "$parent/output")/health")
[ "$status" = 200 ] || fail "GET /health after the second deployment: got $status: $(cat "$parent/body")"

step "the end of the environment"
"$here/down.sh" --folder "$folder"
[ ! -e "$folder" ] || fail "$folder: still exists"
# Every process of the environment has its folder as working directory, in an argument or in a variable.
remaining=$(grep -las "$folder" /proc/[0-9]*/cmdline /proc/[0-9]*/environ | cut -d / -f 3 | grep -vx "$$" || true)
for process in /proc/[0-9]*; do
    case $(readlink "$process/cwd" || true) in "$folder"*) remaining+=" ${process#/proc/}" ;; esac
done
for process in $remaining; do
    # The processes of this pipeline have ended. A process that was killed can exist for another moment.
    for _ in $(seq 50); do kill -0 "$process" 2>/dev/null || continue 2; sleep 0.1; done
    fail "process $process: still runs: $(tr '\0' ' ' <"/proc/$process/cmdline")"
done
echo "no process and no file remain"
step "done"
