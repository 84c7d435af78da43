#!/usr/bin/env bash
# `cargo lambda watch`, and `cargo lambda invoke` with every event of events/ against it: each must be answered, and be
# done (2xx) or refused as too late (409), against the running stack (`cargo orderflow up`; stack.sh makes another).
# Nothing of it is left but the sample orders.
#
#   localstack/invoke.sh                        functions that `cargo lambda watch` compiles: minutes, the first time
#   localstack/invoke.sh --functions PROGRAM    one program that is all of them (target/debug/function-under-test), or a
#                                               folder of built ones, as for budget.sh: seconds
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

command -v cargo-lambda >/dev/null || { lambda=$("$here/venv.sh" cargo-lambda); export PATH=$PATH:$lambda; }
if [ -z "${TEMPORAL_ADDRESS:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
    eval "$(cd "$root" && cargo orderflow env)"
fi
exec python3 "$here/invoke.py" "$root" ${functions:+"$functions"}
