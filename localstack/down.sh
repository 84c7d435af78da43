#!/usr/bin/env bash
# Stops the environment of up.sh and removes its files:
#
#   localstack/down.sh                     the environment in .localstack
#   localstack/down.sh --folder FOLDER     the environment in another folder
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$here/.." && pwd)/.localstack
case "$# ${1:-}" in
    "0 ") ;;
    "2 --folder") folder=$2 ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
# shellcheck source=localstack/shared.sh
. "$here/shared.sh"

if [ ! -e "$folder/environment" ]; then
    echo "no environment in $folder"
    exit
fi
folder=$(realpath "$folder")
# shellcheck source=/dev/null
. "$folder/environment"
if is_running "$EMULATOR_PROCESS"; then stop_process "${EMULATOR_PROCESS%% *}"; fi
# An interrupted start of up.sh has no stack.
if [ -e "$folder/stack" ]; then stop_stack "${ORDERFLOW:-}" "$folder/stack"; fi
# up.sh accepts only a new or an empty folder.
rm -rf "$folder"
echo "stopped $EMULATOR and the local stack, and removed $folder"
