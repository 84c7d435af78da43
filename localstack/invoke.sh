#!/usr/bin/env bash
# Starts `cargo lambda watch` and sends every event in events/ with `cargo lambda invoke`. Each response must be 2xx, or
# 409 if the sample order no longer allows the request. Needs a running stack (`cargo orderflow up`, or stack.sh) and
# leaves the sample orders in it.
#
#   localstack/invoke.sh                        functions that `cargo lambda watch` compiles; the first run takes minutes
#   localstack/invoke.sh --functions PROGRAM    one program that contains all functions
#                                               (target/debug/function-under-test), or a folder of built functions, as
#                                               for tests/function-budget; takes seconds
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)

functions=''
while [ $# -gt 0 ]; do
    case $1 in
        --functions) functions=$(realpath "$2"); shift 2 ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
    esac
done

command -v cargo-lambda >/dev/null || { lambda=$("$root/tools/venv.sh" cargo-lambda); export PATH=$PATH:$lambda; }
if [ -z "${TEMPORAL_ADDRESS:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
    eval "$(cd "$root" && cargo orderflow env)"
fi
exec python3 "$here/invoke.py" "$root" ${functions:+"$functions"}
