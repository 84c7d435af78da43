#!/usr/bin/env bash
# The whole API deployed into an emulator of AWS, by the `sam deploy` that deploys it into AWS; then an order to
# delivered, a signed webhook and refusals through the emulated API Gateway, against the Temporal, the database and the
# worker of a local stack. Nothing is left of it.
#
#   localstack/deploy.sh                          the running stack (`cargo orderflow up`), functions by `sam build`
#   localstack/deploy.sh --functions PROGRAM      functions from one program that is all of them, as the tests build it
#                                                 (target/debug/function-under-test): minutes faster
#
# The emulator is the one at AWS_ENDPOINT_URL (LocalStack, say: docs in localstack/README.md), else MiniStack, which is
# fetched from PyPI and runs here as a process on a free port. What the functions reach Temporal and the database by is
# TEMPORAL_ADDRESS and DATABASE_URL: of the running stack unless they are set.
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
# A stack of a run: two may go on beside each other.
name=orderflow-$$
folder=$(mktemp -d)
emulator='' deployed=''

clean_up() {
    local ended=$?
    if [ "$ended" != 0 ] && [ -e "$folder/emulator.log" ]; then
        tail -n 40 "$folder/emulator.log" >&2
    fi
    # An emulator of our own takes all that is in it along.
    if [ -n "$emulator" ]; then
        kill "$emulator" 2>/dev/null || true
        for _ in $(seq 50); do kill -0 "$emulator" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$emulator" 2>/dev/null || true
    elif [ -n "$deployed" ]; then
        "$sam/python" "$here/emulator.py" clean "$name" >&2 || true
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

# What every emulator takes for an account.
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_REGION
# Never a cloud that somebody's shell is set to.
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
if [ -z "${AWS_ENDPOINT_URL:-}" ]; then
    ministack=$("$here/venv.sh" ministack)
    step "MiniStack"
    read -r port < <(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
    # Where the kernel can be asked to, it ends the emulator even if this script is killed.
    tied=$(command -v setpriv >/dev/null && echo setpriv --pdeathsig KILL || true)
    # Its functions are processes that would inherit what this shell is set to: in AWS they have the template's alone.
    # shellcheck disable=SC2086
    (cd "$folder" && exec env -i PATH="$PATH" HOME="$folder" TMPDIR="$folder" GATEWAY_PORT="$port" BIND_HOST=127.0.0.1 \
        $tied "$ministack/python" -m ministack) \
        >"$folder/emulator.log" 2>&1 &
    emulator=$!
fi
"$sam/python" "$here/emulator.py" wait
# By which the functions reach the emulator: in a container it is not where this script finds it.
: "${FUNCTIONS_AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL}"

step "functions"
architecture=arm64
template=$root/template.yaml
if [ -n "$functions" ]; then
    architecture=$(uname -m | sed 's/aarch64/arm64/')
    mkdir "$folder/code"
    # Debug information is most of it.
    strip -o "$folder/code/function" "$functions"
    # One program for all; the handler says which function it is to be.
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
    # The template as it is, but for where the code is.
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
deployed=begun
# None of its own: samconfig.toml is for AWS.
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

step "an order, a webhook and refusals through the gateway"
"$sam/python" "$here/emulator.py" walk "$name"
step "done"
