#!/usr/bin/env bash
# Starts an AWS environment on this machine and deploys template.yaml into it: an emulator of AWS, and a local stack with
# Temporal, database, worker and mailbox. Prints the address of the API, an API key, and commands to continue with.
#
#   localstack/up.sh             runs until Ctrl-C, then removes the environment
#   localstack/up.sh --keep      returns; localstack/down.sh removes the environment
#
# If the environment exists, the script deploys the functions and the template again, with their changes.
#
#   --functions PATH             built functions: the output folder of `cargo lambda build` or `cargo build`, or one program
#                                that contains all functions (target/debug/function-under-test)
#                                [default: the newer of target/lambda and target/debug]
#   --orderflow PROGRAM          runs the local stack [default: target/debug/orderflow]
#   --emulator NAME              localstack (needs Python 3.13) or ministack [default: localstack]
#   --port PORT                  the emulator's port [default: 4566, which tools of LocalStack expect, or a free port]
#   --folder FOLDER              the files of the environment [default: .localstack]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
built=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")

keep='' functions='' orderflow=$built/debug/orderflow name=localstack port=4566 folder=$root/.localstack
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes; shift; continue ;;
    esac
    [ $# -ge 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
    case $1 in
        --functions) functions=$2; shift 2 ;;
        --orderflow) orderflow=$2; shift 2 ;;
        --emulator) name=$2; shift 2 ;;
        --port) port=$2; shift 2 ;;
        --folder) folder=$2; shift 2 ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
    esac
done
# shellcheck source=localstack/shared.sh
. "$here/shared.sh"

fail() {
    echo "up.sh: $1" >&2
    exit 1
}

case $name in
    localstack | ministack) ;;
    *) fail "emulator $name: unknown; expected localstack or ministack" ;;
esac
if [ -z "$functions" ]; then
    newest=$(ls -td "$built"/lambda/start/bootstrap "$built"/debug/start 2>/dev/null | head -n 1 || true)
    case $newest in
        */bootstrap) functions=$built/lambda ;;
        */start) functions=$built/debug ;;
        *) fail "no built functions in $built; run: cargo build --workspace" ;;
    esac
fi
[ -e "$functions" ] || fail "functions $functions: no such file; build them first, for example with: cargo build --workspace"
[ -x "$orderflow" ] || fail "program $orderflow: is missing; run: cargo build --workspace"
functions=$(realpath "$functions") orderflow=$(realpath "$orderflow")
sam=$("$root/tools/venv.sh" sam)
programs=$("$root/tools/venv.sh" "$name")

[[ $port =~ ^[0-9]{1,5}$ ]] || fail "port $port: not a number"
# down.sh removes the whole folder.
if [ -d "$folder" ] && [ ! -e "$folder/environment" ] && [ -n "$(ls -A "$folder")" ]; then
    fail "folder $folder: contains other files; name a new or an empty folder"
fi
mkdir -p "$folder"
folder=$(realpath "$folder")
use_emulator_credentials us-east-1
created=''
if [ -e "$folder/environment" ]; then
    wanted=$name
    # shellcheck source=/dev/null
    . "$folder/environment"
    [ "$EMULATOR" = "$wanted" ] || fail "environment in $folder: runs $EMULATOR, not $wanted; first run localstack/down.sh"
    is_running "$EMULATOR_PROCESS" || fail "environment in $folder: its emulator has stopped; run localstack/down.sh, then up.sh"
    step "the environment runs already: $EMULATOR at $AWS_ENDPOINT_URL"
else
    created=yes
fi

remove_unless_kept() {
    local status=$?
    [ -n "$created" ] || return 0
    [ "$status" != 0 ] || [ -z "$keep" ] || return 0
    # Ctrl-C, which ends up.sh without --keep, is not an error.
    if [ "$status" != 0 ] && [ "$status" != 130 ]; then tail -n 40 "$folder"/emulator.log "$folder"/logs/*.log >&2 2>/dev/null || true; fi
    "$here/down.sh" --folder "$folder"
}
trap remove_unless_kept EXIT
trap 'exit 130' INT TERM HUP

if [ -n "$created" ]; then
    step "a local stack and $name"
    port=$(free_port "$port")
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
    mkdir -p "$folder/logs"
    variables=(PATH="$PATH" HOME="$folder" TMPDIR="$folder")
    # An empty environment: an emulator's functions may inherit its variables, but on AWS they have only those of the template.
    case $name in
        localstack)
            command=("$programs/python" -B "$here/processes/main.py")
            variables+=(GATEWAY_LISTEN="127.0.0.1:$port" LOCALSTACK_VOLUME_DIR="$folder/volume" FUNCTION_LOGS="$folder/logs"
                SKIP_SSL_CERT_DOWNLOAD=1 DISABLE_EVENTS=1) ;;
        ministack)
            command=("$programs/python" -m ministack)
            variables+=(GATEWAY_PORT="$port" BIND_HOST=127.0.0.1) ;;
    esac
    (cd "$folder" && exec env -i "${variables[@]}" python3 -c "$DETACH" "${command[@]}") </dev/null >"$folder/emulator.log" 2>&1 &
    process=$(identify_process $!)
    disown
    # down.sh reads this file, also after a failed start.
    cat >"$folder/environment" <<VARIABLES
EMULATOR=$name
EMULATOR_PROCESS='$process'
ORDERFLOW='$orderflow'
export AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL
VARIABLES
    start_stack "$orderflow" "$folder/stack"
    "$sam/python" "$here/emulator.py" wait
    # Another emulator may have responded on the same port.
    is_running "$process" || fail "$name ended while it started"
    (umask 077 && "$sam/python" "$here/emulator.py" secrets orderflow >"$folder/secrets")
else
    eval "$(cd "$folder/stack" && "$ORDERFLOW" env)"
fi

step "functions of $functions"
"$here/package.sh" "$functions" "$folder"
# A changed id publishes a new version of each function. MiniStack transforms the template with the defaults of parameters.
release=$(cat "$folder"/code/*.zip "$folder/template.yaml" | sha256sum | cut -c 1-64)
sed -i "/^  ReleaseId:/,/Default/s/Default: \"\"/Default: \"$release\"/" "$folder/template.yaml"
case $name in
    localstack) "$sam/python" "$here/substitutions.py" localstack template "$folder/template.yaml" ;;
    ministack)
        for template in watch watch-function; do
            "$sam/python" "$here/substitutions.py" ministack "$template" "$folder/infrastructure/$template.yaml"
        done ;;
esac

step "sam deploy"
# An empty configuration, because the project's samconfig.toml is for AWS.
echo "version = 0.1" >"$folder/samconfig.toml"
# shellcheck source=/dev/null
. "$folder/secrets"
"$sam/sam" deploy --template-file "$folder/template.yaml" --stack-name orderflow --resolve-s3 --s3-prefix orderflow \
    --region us-east-1 --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-confirm-changeset --no-progressbar \
    --no-fail-on-empty-changeset --no-disable-rollback --config-file "$folder/samconfig.toml" --parameter-overrides \
    "DeployBackend=false" "Architecture=$(uname -m | sed 's/aarch64/arm64/')" "AwsEndpointUrl=$AWS_ENDPOINT_URL" \
    "TemporalAddress=$TEMPORAL_ADDRESS" "TemporalNamespace=${TEMPORAL_NAMESPACE:-default}" \
    "DatabaseUrlSecretArn=$DATABASE_URL_ARN" "ApiKeysSecretArn=$API_KEYS_ARN" \
    "WebhookSecretsArn=$WEBHOOK_SECRETS_ARN" "SecretsRefresh=2s" >"$folder/sam.log" 2>&1 ||
    { cat "$folder/sam.log" >&2; exit 1; }
"$sam/python" "$here/emulator.py" finish orderflow
"$sam/python" "$here/emulator.py" ready orderflow
"$sam/python" "$here/emulator.py" describe orderflow "$folder"
if [ -n "$created" ] && [ -z "$keep" ]; then
    echo "Ctrl-C ends the environment."
    while is_running "$process"; do sleep 1; done
    fail "the emulator has stopped"
fi
