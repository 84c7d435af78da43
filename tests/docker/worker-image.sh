#!/usr/bin/env bash
# Builds the worker's image from worker/Dockerfile and runs its container as ECS does, as the worker of a local stack.
# Takes an order to delivered, tests the health check, stops the container while an order is in progress, and checks that
# the next container finishes this order. Needs Docker with BuildKit:
#
#   apt-get install docker.io && (dockerd >/tmp/dockerd.log 2>&1 &)       # on Debian, as root, without systemd
#
#   tests/docker/worker-image.sh                      builds the image with the Dockerfile
#   tests/docker/worker-image.sh --worker PROGRAM     puts this static program into the image instead of compiling one
#                                                     (target/…-linux-musl/release/worker)
#   tests/docker/worker-image.sh --orderflow PROGRAM  starts the stack with this program instead of compiling one
#
# If the base image of the compile stage cannot be pulled, the script compiles the program outside of Docker (rustup,
# Debian's musl-tools) and uses it for that stage. The script starts a separate stack on free ports. It leaves only
# Docker's cache of pulled and built images behind.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dockerfile=$root/worker/Dockerfile
built=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-$root/target}")

worker='' orderflow=''
while [ $# -gt 0 ]; do
    case $1 in
        --worker) worker=$(realpath "$2"); shift 2 ;;
        --orderflow) orderflow=$(realpath "$2"); shift 2 ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
    esac
done

docker info >/dev/null 2>&1 || { echo "Docker: the daemon does not respond; start it as described at the top of $0" >&2; exit 1; }
# Docker 20.10 uses BuildKit only with this variable.
export DOCKER_BUILDKIT=1
image=orderflow-worker:run-$$
compiled=orderflow-compiled:run-$$
folder=$(mktemp -d)
# The database server runs as another user, which needs access to this folder.
chmod 755 "$folder"
forward='' stack='' containers=()

clean_up() {
    local status=$?
    if [ "$status" != 0 ]; then
        for container in "${containers[@]}"; do docker logs --tail 20 "$container" >&2 || true; done
    fi
    [ "${#containers[@]}" = 0 ] || docker rm --force "${containers[@]}" >/dev/null 2>&1 || true
    docker rmi --force "$image" "$compiled" >/dev/null 2>&1 || true
    [ -z "$forward" ] || kill "$forward" 2>/dev/null || true
    if [ -n "$stack" ]; then
        (cd "$folder/stack" && "$orderflow" down >/dev/null 2>&1) || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step() {
    printf '== %s (after %d s)\n' "$1" "$SECONDS"
}

fail() {
    echo "$1" >&2
    exit 1
}

# Prints the current time in milliseconds.
now() {
    echo $((${EPOCHREALTIME/[!0-9]/} / 1000))
}

machine=$(uname -m)
compile() {
    local target=$machine-unknown-linux-musl settings line
    command -v musl-gcc >/dev/null || fail "musl-gcc is missing; install it (Debian: musl-tools)"
    (cd "$root" && rustup target add "$target")
    # Read the profile settings and the build command from the Dockerfile.
    mapfile -t settings < <(grep -o 'CARGO_PROFILE_RELEASE_[A-Z_]*=[a-z0-9]*' "$dockerfile")
    read -ra line < <(sed -n 's/^ *cargo zigbuild \(.*--bin worker.*\) --target .*/cargo build \1/p' "$dockerfile")
    (cd "$root" && env "${settings[@]}" "CC_${target//-/_}=musl-gcc" "${line[@]}" --target "$target" --target-dir "$built")
    worker=$built/$target/release/worker
}

base=rust:$(sed -n 's/^ARG RUST_VERSION=//p' "$dockerfile")-slim-trixie
arguments=()
if [ -z "$worker" ] && ! docker image inspect "$base" >/dev/null 2>&1 && ! docker pull --quiet "$base" >/dev/null 2>"$folder/pull.log"; then
    step "compiling the worker outside of Docker, because $base cannot be pulled: $(tail -n 1 "$folder/pull.log")"
    compile
fi
if [ -n "$worker" ]; then
    step "an image with $worker for the compile stage"
    readelf --program-headers --wide "$worker" >"$folder/headers" || fail "$worker: not an ELF program"
    ! grep -q INTERP "$folder/headers" || fail "$worker: not static; compile it for $machine-unknown-linux-musl"
    certificates=/etc/ssl/certs/ca-certificates.crt
    [ -e "$certificates" ] || fail "$certificates is missing; install it (Debian: ca-certificates)"
    mkdir -p "$folder/compiled/etc/ssl/certs"
    cp "$certificates" "$folder/compiled/etc/ssl/certs/"
    # Debug information, if present, is the largest part of the file.
    strip -o "$folder/compiled/worker" "$worker"
    tar --directory "$folder/compiled" --create --owner=0 --group=0 . | docker import - "$compiled" >/dev/null
    rm -r "$folder/compiled"
    arguments=(--build-arg "BUILT_WORKER=$compiled")
fi

step "docker build -f worker/Dockerfile"
docker build --file "$dockerfile" --tag "$image" "${arguments[@]}" "$root" >"$folder/build.log" 2>&1 ||
    { tail -n 40 "$folder/build.log" >&2; exit 1; }
docker history --format 'table {{.Size}}\t{{.CreatedBy}}' "$image"
containers+=("files-$$")
docker create --name "files-$$" "$image" >/dev/null
# Files that Docker itself adds to a container are empty.
docker export "files-$$" | tar --list --verbose | awk '/^-/ && $3 > 0 { print $3, $6 }' >"$folder/files"
echo "files of the image, $(docker image inspect --format '{{.Size}}' "$image") bytes in total:"
sed 's/^/  /' "$folder/files"
[ "$(awk '{ print $2 }' "$folder/files" | sort | xargs)" = "etc/ssl/certs/ca-certificates.crt etc/ssl/certs/rds.pem worker" ] ||
    fail "image: its files differ from the expected files: the worker and the two certificate files"

step "a stack without a worker"
if [ -z "$orderflow" ]; then
    (cd "$root" && cargo build --locked --bin orderflow --target-dir "$built")
    orderflow=$built/debug/orderflow
fi
# Settings of this shell belong to another stack.
unset DATABASE_URL TEMPORAL_ADDRESS TEMPORAL_TARGET ORDERFLOW_URL API_AUTH READS RATE_LIMIT ORDER_PROFILE MAIL SMTP_URL
mkdir -p "$folder/stack/.orderflow"
cd "$folder/stack"
read -r http temporal ui metrics mail < <(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(each.getsockname()[1] for each in sockets))')
stack=started
# A delivery takes 8 s, so that the worker can be stopped during it.
DELIVERY=auto:8s RUST_LOG=warn "$orderflow" up --detach --no-worker --http-port "$http" --temporal-port "$temporal" \
    --ui-port "$ui" --metrics-port "$metrics" --mail-port "$mail"
"$orderflow" ps | grep '^worker .*external' || fail "the stack has its own worker"

# Containers reach this machine at the address of Docker's bridge. The stack does not listen there, so forward.py does.
bridge=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Subnet}}' |
    python3 -c 'import ipaddress; print(next(ipaddress.ip_network(input()).hosts()))')
"$orderflow" env --json >"$folder/stack.json"
mapfile -t servers < <(python3 - "$folder/stack.json" <<'PYTHON'
import json, sys, urllib.parse
stack = json.load(open(sys.argv[1]))
for name in ("TEMPORAL_ADDRESS", "DATABASE_URL", "SMTP_URL"):
    if name in stack:
        print(urllib.parse.urlsplit(stack[name] if "//" in stack[name] else "//" + stack[name]).netloc.split("@")[-1])
PYTHON
)
mkfifo "$folder/ports"
python3 "$here/forward.py" "$bridge" "${servers[@]}" >"$folder/ports" &
forward=$!
read -ra ports <"$folder/ports"
# The environment variables of an ECS task. The image sets the address of the health check.
python3 - "$folder/stack.json" "$bridge" "${servers[@]}" "${ports[@]}" >"$folder/environment" <<'PYTHON'
import json, sys
stack, bridge, arguments = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3:]
servers, ports = arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]
variables = {name: stack[name] for name in (
    "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "DATABASE_URL", "SMTP_URL", "MAIL_FROM", "DEFAULT_STOCK") if name in stack}
if "SMTP_URL" not in variables:
    variables["MAIL"] = "off"
for server, port in zip(servers, ports):
    variables = {name: value.replace(server, f"{bridge}:{port}") for name, value in variables.items()}
print("LOG_FORMAT=json", *(f"{name}={value}" for name, value in variables.items()), sep="\n")
PYTHON

state() {
    docker inspect --format "{{.State.$2}}" "$1"
}
# Starts a container and waits until its health check succeeds.
start() {
    local started_at
    started_at=$(now)
    containers+=("$1")
    docker run --detach --name "$1" --read-only --cap-drop ALL --security-opt no-new-privileges \
        --env-file "$folder/environment" "$image" >/dev/null
    until [ "$(state "$1" Health.Status)" = healthy ]; do
        [ "$(state "$1" Status)" = running ] || fail "container $1: exited before it was healthy"
        [ $(($(now) - started_at)) -lt 90000 ] || fail "container $1: not healthy within 90 s: $(docker inspect --format '{{json .State.Health}}' "$1")"
        sleep 0.1
    done
    echo "healthy after $(($(now) - started_at)) ms; process, user, program: $(docker top "$1" -eo pid,uid,args | tail -n +2 | xargs)"
}
# Stops a container as ECS stops a task: with SIGTERM, then after 10 s with SIGKILL, which causes the exit code 137.
stop() {
    local stopped_at
    stopped_at=$(now)
    docker stop --time 10 "$1" >/dev/null
    echo "stopped after $(($(now) - stopped_at)) ms with exit code $(state "$1" ExitCode)"
    [ "$(state "$1" ExitCode)" = 0 ] || fail "container $1: exit code $(state "$1" ExitCode), expected 0"
    docker logs "$1" 2>&1 | python3 -c 'import json, sys
print(len([json.loads(line) for line in sys.stdin]), "log lines, all JSON")'
}
status() {
    "$orderflow" db "select 'status=' || state from orders where id = '$1'" | grep -o 'status=[a-z_]*'
}
expect_delivered() {
    "$orderflow" result "$1" --wait >"$folder/result" || { cat "$folder/result" >&2; exit 1; }
    [ "$(status "$1")" = status=delivered ] || fail "order $1: $(status "$1"), expected status=delivered"
    echo "$1 is delivered"
}

step "the container, as ECS runs it"
start "worker-$$-one"
[ "$(docker top "worker-$$-one" -eo pid,uid | awk 'NR > 1 { print $2 }')" = 65532 ] || fail "container: does not run as user 65532"
if docker exec "worker-$$-one" /bin/sh -c true >/dev/null 2>&1; then fail "container: contains a shell"; fi
echo "the container has no shell"

step "an order over HTTP"
"$orderflow" start-order "image-$$-one" "pmt-image-$$-one"
expect_delivered "image-$$-one"
"$orderflow" events "image-$$-one"

step "docker stop while an order is shipped and not delivered"
"$orderflow" start-order "image-$$-two" "pmt-image-$$-two"
for _ in $(seq 100); do [ "$(status "image-$$-two")" = status=shipped ] && break; sleep 0.1; done
stop "worker-$$-one"
[ "$(status "image-$$-two")" = status=shipped ] || fail "order image-$$-two: $(status "image-$$-two"), expected status=shipped"
echo "image-$$-two is shipped, and no worker runs"

step "the next container"
start "worker-$$-two"
expect_delivered "image-$$-two"
stop "worker-$$-two"

step "stock, payments and audit logs"
"$orderflow" verify
step "done"
