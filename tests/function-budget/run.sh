#!/usr/bin/env bash
# Measures each function: size, size of the zip, time of the first and of further responses, peak memory. Exits with 1 if
# a zip is larger than 5 MB, or if the function `start` uses more than 32 MB for a start call. Needs Linux, release builds
# and a running stack (`cargo orderflow up`). It leaves about a hundred orders in that stack.
#
#   tests/function-budget/run.sh                       functions in .aws-sam/build, the output of `sam build`
#   tests/function-budget/run.sh --functions FOLDER    functions in FOLDER: target/lambda of `cargo lambda build --release`, or
#                                              target/release of `cargo build --release`
#
# For a function that is built for another processor, it measures only the sizes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

functions=$root/.aws-sam/build
while [ $# -gt 0 ]; do
    case $1 in
        --functions) functions=$(realpath "$2"); shift 2 ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
    esac
done

if [ -z "${TEMPORAL_ADDRESS:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
    eval "$(cd "$root" && cargo orderflow env)"
fi
exec python3 "$here/measure.py" "$functions"
