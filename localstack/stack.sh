#!/usr/bin/env bash
# Starts a separate local stack on free ports with the given `orderflow`, runs a command with it, and stops the stack:
#
#   localstack/stack.sh target/debug/orderflow localstack/invoke.sh --functions target/debug/function-under-test
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
orderflow=$(realpath "$1")
shift
folder=$(mktemp -d)
# shellcheck source=localstack/shared.sh
. "$here/shared.sh"
clean_up() {
    stop_stack "$orderflow" "$folder"
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

start_stack "$orderflow" "$folder"
"$@"
