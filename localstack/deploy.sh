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

sam=$("$here/venv.sh" sam)
# Each run has its own stack name, so two runs can use one emulator at the same time.
name=orderflow-$$
folder=$(mktemp -d)
emulator='' deployed=''

clean_up() {
    local status=$?
    if [ "$status" != 0 ] && [ -e "$folder/emulator.log" ]; then
        tail -n 40 "$folder/emulator.log" >&2
    fi
    # The stack exists only in the memory of an emulator that this script started.
    if [ -n "$emulator" ]; then
        kill "$emulator" 2>/dev/null || true
        for _ in $(seq 50); do kill -0 "$emulator" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$emulator" 2>/dev/null || true
    elif [ -n "$deployed" ]; then
        "$sam/python" "$here/emulator.py" delete "$name" >&2 || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step() {
    printf '== %s (after %d s)\n' "$1" "$SECONDS"
}

if [ -z "${TEMPORAL_ADDRESS:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
    eval "$(cd "$root" && cargo orderflow env)"
fi

# Emulators accept these credentials.
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_REGION
# Prevents a call to a real AWS account of the user's configuration.
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
if [ -z "${AWS_ENDPOINT_URL:-}" ]; then
    ministack=$("$here/venv.sh" ministack)
    step "MiniStack"
    read -r port < <(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
    # With setpriv, the kernel also stops the emulator if this script is killed.
    kill_with_parent=$(command -v setpriv >/dev/null && echo setpriv --pdeathsig KILL || true)
    # An empty environment: MiniStack's functions inherit its variables, but on AWS they have only those of the template.
    # shellcheck disable=SC2086
    (cd "$folder" && exec env -i PATH="$PATH" HOME="$folder" TMPDIR="$folder" GATEWAY_PORT="$port" BIND_HOST=127.0.0.1 \
        $kill_with_parent "$ministack/python" -m ministack) \
        >"$folder/emulator.log" 2>&1 &
    emulator=$!
fi
"$sam/python" "$here/emulator.py" wait
# The emulator's address for the functions. It differs from AWS_ENDPOINT_URL if the functions run in containers.
: "${FUNCTIONS_AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL}"

step "functions"
architecture=arm64
template=$root/template.yaml
if [ -n "$functions" ]; then
    architecture=$(uname -m | sed 's/aarch64/arm64/')
    mkdir "$folder/code"
    # Debug information is the largest part of the file.
    strip -o "$folder/code/function" "$functions"
    # The program contains all functions; the handler's name selects one.
    printf '#!/bin/sh\nexec "$LAMBDA_TASK_ROOT/function" "$_HANDLER"\n' >"$folder/code/bootstrap"
    chmod +x "$folder/code/bootstrap"
    python3 - "$folder" <<'PYTHON'
import sys, zipfile
folder = sys.argv[1]
with zipfile.ZipFile(f"{folder}/code.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    for name in ("bootstrap", "function"):
        archive.write(f"{folder}/code/{name}", name)
PYTHON
    rm -r "$folder/code"
    # A copy of the template that differs only in the location of the code.
    sed "s|^      CodeUri: functions/\(.*\)|      CodeUri: $folder/code.zip\n      Handler: \1|" "$root/template.yaml" \
        >"$folder/template.yaml"
    ln -s "$root/infrastructure" "$folder/infrastructure"
    template=$folder/template.yaml
else
    case $(uname -m) in x86_64) architecture=x86_64 ;; esac
    (cd "$root" && "$sam/sam" build --parameter-overrides "Architecture=$architecture")
    template=$root/.aws-sam/build/template.yaml
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
"$sam/python" "$here/emulator.py" check "$name"
step "done"
