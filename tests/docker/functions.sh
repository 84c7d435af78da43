#!/usr/bin/env bash
# Runs the functions in containers with SAM: `sam local invoke` with sample events, then HTTP calls to `sam local
# start-api`. Needs a running stack (`cargo orderflow up`) and Docker:
#
#   apt-get install docker.io && (dockerd >/tmp/dockerd.log 2>&1 &)       # on Debian, as root, without systemd
#
#   tests/docker/functions.sh                        functions of `sam build`
#   tests/docker/functions.sh --functions PROGRAM    one program that contains all functions
#                                                    (target/debug/function-under-test)
#
# The image is Lambda's public.ecr.aws/lambda/provided. If it cannot be pulled, the script builds a substitute from Debian
# (debootstrap, as root, from DEBIAN_MIRROR) and the runtime emulator that SAM ships.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
image=public.ecr.aws/lambda/provided:al2023-$(uname -m | sed s/aarch64/arm64/)

functions=''
while [ $# -gt 0 ]; do
    case $1 in
        --functions) functions=$(realpath "$2"); shift 2 ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
    esac
done

docker info >/dev/null 2>&1 || { echo "Docker: the daemon does not respond; start it as described at the top of $0" >&2; exit 1; }
if [ -z "${TEMPORAL_ADDRESS:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
    eval "$(cd "$root" && cargo orderflow env)"
fi
sam=$("$root/tools/venv.sh" sam)
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
folder=$(mktemp -d)
gateway='' forward=''
clean_up() {
    # On SIGTERM, SAM also stops its containers.
    if [ -n "$gateway" ]; then
        kill "$gateway" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 "$gateway" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$gateway" 2>/dev/null || true
    fi
    [ -z "$forward" ] || kill "$forward" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step() {
    printf '== %s (after %d s)\n' "$1" "$SECONDS"
}

machine=$(uname -m)
architecture=${machine/aarch64/arm64}
build_substitute() {
    step "a substitute for $image from Debian"
    command -v debootstrap >/dev/null || { echo "debootstrap is missing; install it (Debian: debootstrap)" >&2; exit 1; }
    debootstrap --variant=minbase --include=ca-certificates bookworm "$folder/debian" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
        >"$folder/debootstrap.log" 2>&1 || { tail "$folder/debootstrap.log" >&2; exit 1; }
    mkdir -p "$folder/debian/var/task" "$folder/debian/var/runtime" "$folder/debian/usr/local/bin"
    cp "$("$sam/python" -c 'import samcli, os; print(os.path.dirname(samcli.__file__))')/local/rapid/aws-lambda-rie-$architecture" \
        "$folder/debian/usr/local/bin/aws-lambda-rie"
    cat >"$folder/debian/lambda-entrypoint.sh" <<'ENTRY'
#!/bin/sh
exec /usr/local/bin/aws-lambda-rie --log-level error /var/task/bootstrap
ENTRY
    chmod +x "$folder/debian/lambda-entrypoint.sh" "$folder/debian/usr/local/bin/aws-lambda-rie"
    tar -C "$folder/debian" -c . | docker import \
        --change 'ENTRYPOINT ["/lambda-entrypoint.sh"]' --change 'WORKDIR /var/task' \
        --change 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' - "$image" >/dev/null
    rm -rf "$folder/debian"
}
docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null 2>&1 || build_substitute

step "functions"
template=$folder/template.yaml
# SAM's gateway applies `ANY` to every method, also to methods of another function. So these routes are removed, and SAM
# responds 403 to a wrong method. On AWS, the function `web` responds 405.
sed '/Method: ANY, Path: "\/\(orders\|health\|webhooks\)/d' "$root/template.yaml" >"$template"
ln -s "$root/infrastructure" "$folder/infrastructure"
if [ -n "$functions" ]; then
    mkdir "$folder/code"
    strip -o "$folder/code/function" "$functions"
    printf '#!/bin/sh\nexec /var/task/function "$_HANDLER"\n' >"$folder/code/bootstrap"
    chmod +x "$folder/code/bootstrap"
    sed -i "s|^      CodeUri: functions/\(.*\)|      CodeUri: $folder/code\n      Handler: \1|" "$template"
    # The program is already built, so SAM must not build it.
    sed -i '/^    Metadata:$/{N;/BuildMethod/d}' "$template"
else
    "$sam/sam" build --template "$template" --base-dir "$root" --build-dir "$folder/build" \
        --parameter-overrides "Architecture=$architecture"
    template=$folder/build/template.yaml
fi
# Containers reach this machine at the address of Docker's bridge. The stack does not listen there, so forward.py does.
bridge=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Subnet}}' |
    python3 -c 'import ipaddress; print(next(ipaddress.ip_network(input()).hosts()))')
database=$(python3 -c 'import sys, urllib.parse; url = urllib.parse.urlsplit(sys.argv[1]); print(f"{url.hostname}:{url.port or 5432}")' "$DATABASE_URL")
mkfifo "$folder/ports"
python3 "$here/forward.py" "$bridge" "$TEMPORAL_ADDRESS" "$database" >"$folder/ports" &
forward=$!
read -r temporal_port database_port <"$folder/ports"
# SAM does not resolve secrets, so these variables contain the values.
python3 - "$bridge:$temporal_port" "${DATABASE_URL/"$database"/"$bridge:$database_port"}" >"$folder/variables.json" <<'PYTHON'
import json, os, sys
variables = {"TEMPORAL_ADDRESS": sys.argv[1], "DATABASE_URL": sys.argv[2]}
variables["TEMPORAL_NAMESPACE"] = os.environ.get("TEMPORAL_NAMESPACE", "default")
print(json.dumps({"Parameters": variables | {"API_AUTH": "none", "API_KEYS": "", "TEMPORAL_API_KEY": ""}}))
PYTHON
options=(--template "$template" --skip-pull-image --env-vars "$folder/variables.json"
    --parameter-overrides "DeployBackend=false" "Architecture=$architecture" "TemporalAddress=$TEMPORAL_ADDRESS" "ApiAuth=none")

step "sam local invoke"
invoke() {
    local response status
    response=$("$sam/sam" local invoke "$2" --event "$root/localstack/events/$3" "${options[@]}" 2>"$folder/invoke.log" | tail -n 1 || true)
    status=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["statusCode"])' <<<"$response" 2>/dev/null || true)
    echo "  ${status:-none} $2 $3"
    [ "$status" = "$1" ] || { echo "$response" >&2; tail "$folder/invoke.log" >&2; exit 1; }
}
invoke 202 StartFunction create-order.rest.json
invoke 200 QueryFunction health.http.json
invoke 200 EventsFunction list-orders.rest.json
invoke 200 WebFunction openapi.rest.json
# No payment provider has a secret here, so the webhook of each provider is disabled.
invoke 404 WebhookFunction webhook.rest.json

step "sam local start-api"
read -r port < <(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
"$sam/sam" local start-api "${options[@]}" --port "$port" --warm-containers LAZY >"$folder/api.log" 2>&1 &
gateway=$!
for _ in $(seq 600); do
    curl --silent --output /dev/null "http://127.0.0.1:$port/health" && break
    kill -0 "$gateway" 2>/dev/null || break
    sleep 0.2
done
expect_status() {
    local status
    status=$(curl --silent --output "$folder/response" --write-out '%{http_code}' "${@:2}")
    echo "  $status ${*: -1}"
    [ "$status" = "$1" ] || { cat "$folder/response" "$folder/api.log" >&2; exit 1; }
}
api=http://127.0.0.1:$port
expect_status 200 "$api/health"
expect_status 202 -X POST -H 'content-type: application/json' -d '{"items": [{"sku": "ABC123", "quantity": 1, "unit_price": "99.99"}],
    "shipping_address": {"street": "123 Main St"}}' "$api/orders"
order=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["order_id"])' "$folder/response")
expect_status 200 "$api/orders/$order/status"
expect_status 200 -X POST -H 'content-type: application/json' -d '{"reason": "changed my mind"}' "$api/orders/$order/cancel"
expect_status 200 "$api/orders/$order/events"
expect_status 422 -X POST -H 'content-type: application/json' -d '{"items": []}' "$api/orders"
expect_status 404 "$api/nowhere"
step "done"
