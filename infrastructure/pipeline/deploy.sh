#!/usr/bin/env bash
# Deploys the build of build.sh and tests the deployment. deploy.yml calls it.
#
#   infrastructure/pipeline/deploy.sh dev|prod
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in
    dev) stack=orderflow-dev ;;
    prod) stack=orderflow ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
PATH=$(tools/venv.sh sam):$PATH
export CI=true PATH
tar --extract --file .aws-sam/build.tar
infrastructure/release.sh "$1" --deploy
infrastructure/operate.sh --timeout 600 "$stack" check
infrastructure/smoke.sh "$stack"
