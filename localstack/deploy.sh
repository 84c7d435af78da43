#!/usr/bin/env bash
# Deploys the API into an AWS emulator with `sam deploy`, the command that also deploys it into AWS. Then sends calls
# through the emulated API Gateway: an order to delivered, a signed webhook event, rejected calls. Uses Temporal, database
# and worker of a local stack. Removes everything that it created.
#
#   localstack/deploy.sh                          functions of `sam build`
#   localstack/deploy.sh --functions PROGRAM      one program that contains all functions, as the tests build it
#                                                 (target/debug/function-under-test); saves minutes
#
# AWS_ENDPOINT_URL is the address of the emulator, for example of LocalStack (localstack/README.md). If it is not set, the
# script installs MiniStack from PyPI and runs it on a free port. The functions connect to TEMPORAL_ADDRESS and
# DATABASE_URL. If one of these is not set, both are those of the running stack (`cargo orderflow up`).
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

sam=$("$root/tools/venv.sh" sam)
# Each run has its own stack name, so two runs can use one emulator at the same time.
name=orderflow-$$
folder=$(mktemp -d)
deployed=''
# shellcheck source=localstack/ministack.sh
. "$here/ministack.sh"

clean_up() {
    local status=$?
    if [ "$status" != 0 ] && [ -e "$folder/emulator.log" ]; then
        tail -n 40 "$folder/emulator.log" >&2
    fi
    # The stack exists only in the memory of an emulator that this script started.
    if [ -n "$emulator" ]; then
        stop_ministack
    elif [ -n "$deployed" ]; then
        "$sam/python" "$here/emulator.py" delete "$name" >&2 || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

if [ -z "${TEMPORAL_ADDRESS:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
    eval "$(cd "$root" && cargo orderflow env)"
fi

use_emulator_credentials us-east-1
if [ -z "${AWS_ENDPOINT_URL:-}" ]; then
    step "MiniStack"
    start_ministack
fi
"$sam/python" "$here/emulator.py" wait
# The emulator's address for the functions. It differs from AWS_ENDPOINT_URL if the functions run in containers.
: "${FUNCTIONS_AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL}"

step "functions"
architecture=arm64
template=$root/template.yaml
if [ -n "$functions" ]; then
    architecture=$(uname -m | sed 's/aarch64/arm64/')
    "$here/one-program.sh" "$functions" "$folder"
    template=$folder/template.yaml
    alarms=$folder/infrastructure/watch.yaml
else
    case $(uname -m) in x86_64) architecture=x86_64 ;; esac
    (cd "$root" && "$sam/sam" build --parameter-overrides "Architecture=$architecture")
    template=$root/.aws-sam/build/template.yaml
    alarms=$root/.aws-sam/build/Watch/template.yaml
fi
# If this script started MiniStack, which lacks some types of the alarms' template.
if [ -n "$emulator" ]; then
    "$sam/python" "$here/substitutions.py" watch "$alarms"
fi

step "secrets and sam deploy"
deployed=started
# An empty configuration, because the project's samconfig.toml is for AWS.
echo "version = 0.1" >"$folder/samconfig.toml"
"$sam/python" "$here/emulator.py" secrets "$name" >"$folder/secrets"
# shellcheck source=/dev/null
. "$folder/secrets"
"$sam/sam" deploy --template-file "$template" --stack-name "$name" --resolve-s3 --s3-prefix "$name" --region us-east-1 \
    --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-confirm-changeset --no-progressbar --no-fail-on-empty-changeset \
    --no-disable-rollback --config-file "$folder/samconfig.toml" --parameter-overrides \
    "DeployBackend=false" "Architecture=$architecture" "AwsEndpointUrl=$FUNCTIONS_AWS_ENDPOINT_URL" \
    "TemporalAddress=$TEMPORAL_ADDRESS" "TemporalNamespace=${TEMPORAL_NAMESPACE:-default}" \
    "DatabaseUrlSecretArn=$DATABASE_URL_ARN" "ApiKeysSecretArn=$API_KEYS_ARN" \
    "WebhookSecretsArn=$WEBHOOK_SECRETS_ARN" >"$folder/sam.log" 2>&1 ||
    { cat "$folder/sam.log" >&2; exit 1; }

step "an order, a webhook event and rejected calls through the gateway"
# Another emulator may store the logs of the functions elsewhere.
"$sam/python" "$here/emulator.py" check "$name" ${emulator:+--logs}
step "done"
