#!/usr/bin/env bash
# What each function weighs and takes: size, zip, time to the first answer, time of a call after it, peak memory. Ends
# with 1 when a zip has more than 5 MB, or a start call takes `start` above 32 MB. Needs Linux, release builds and a
# running stack (`cargo orderflow up`), in which it leaves a hundred orders.
#
#   localstack/budget.sh                       what `sam build` left in .aws-sam/build
#   localstack/budget.sh --functions FOLDER    what is in FOLDER: target/lambda of `cargo lambda build --release`, or
#                                              target/release of `cargo build --release`
#
# What was built for another machine is weighed and not run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)

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
exec python3 "$here/budget.py" "$functions"
