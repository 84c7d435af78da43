#!/usr/bin/env bash
# The worker's image, built of worker/Dockerfile, and its container in place of the worker process of a local stack, as
# ECS runs it: an order to delivered, its health check, an orderly stop in the middle of an order, and the next container
# that finishes it. Needs Docker with BuildKit:
#
#   apt-get install docker.io && (dockerd >/tmp/dockerd.log 2>&1 &)       # on Debian, as root, without systemd
#
#   localstack/worker-image.sh                       the image as the Dockerfile makes it
#   localstack/worker-image.sh --worker PROGRAM      from this program, which must be static (target/…-linux-musl/release/worker)
#   localstack/worker-image.sh --orderflow PROGRAM   the stack by this program; else it is built
#
# Where the image that the Dockerfile compiles in can't be pulled, the same program is compiled here (rustup, and Debian's
# musl-tools), and stands in for what that stage makes. The stack is one of its own on free ports. Nothing is left but
# Docker's cache of what it pulled and built.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
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

docker info >/dev/null 2>&1 || { echo "no Docker daemon answers; the head of $0 says how to start one" >&2; exit 1; }
# What 20.10 does not do unless it is asked to.
export DOCKER_BUILDKIT=1
image=orderflow-worker:run-$$
compiled=orderflow-compiled:run-$$
folder=$(mktemp -d)
# The database's server has a user of its own, who must be able to pass.
chmod 755 "$folder"
forward='' stack='' containers=()

clean_up() {
    local ended=$?
    if [ "$ended" != 0 ]; then
        for each in "${containers[@]}"; do docker logs --tail 20 "$each" >&2 || true; done
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

# Milliseconds, to take the time of something.
now() {
    echo $((${EPOCHREALTIME/[!0-9]/} / 1000))
}

machine=$(uname -m)
compile() {
    local target=$machine-unknown-linux-musl settings line
    command -v musl-gcc >/dev/null || fail "musl-gcc is missing; install it (Debian: musl-tools)"
    (cd "$root" && rustup target add "$target")
    # As the Dockerfile has it: the settings of its profile, and its command.
    mapfile -t settings < <(grep -o 'CARGO_PROFILE_RELEASE_[A-Z_]*=[a-z0-9]*' "$dockerfile")
    read -ra line < <(sed -n 's/^ *\(cargo build .*--bin worker[^&]*\) &&.*/\1/p' "$dockerfile")
    (cd "$root" && env "${settings[@]}" "CC_${target//-/_}=musl-gcc" "${line[@]}" --target "$target" --target-dir "$built")
    worker=$built/$target/release/worker
}

base=rust:$(sed -n 's/^ARG RUST_VERSION=//p' "$dockerfile")-alpine
arguments=()
if [ -z "$worker" ] && ! docker image inspect "$base" >/dev/null 2>&1 && ! docker pull --quiet "$base" >/dev/null 2>"$folder/pull.log"; then
    step "$base can't be pulled ($(tail -n 1 "$folder/pull.log")), so the worker is compiled here"
    compile
fi
if [ -n "$worker" ]; then
    step "$worker in place of what the Dockerfile compiles"
    readelf --program-headers --wide "$worker" >"$folder/headers" || fail "$worker is no program"
    ! grep -q INTERP "$folder/headers" || fail "$worker is not static; compile it for $machine-unknown-linux-musl"
    authorities=/etc/ssl/certs/ca-certificates.crt
    [ -e "$authorities" ] || fail "$authorities is missing; install it (Debian: ca-certificates)"
    mkdir -p "$folder/compiled/etc/ssl/certs"
    cp "$authorities" "$folder/compiled/etc/ssl/certs/"
    # Debug information is most of it, where it has any.
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
# What Docker itself puts there for a container is empty.
docker export "files-$$" | tar --list --verbose | awk '/^-/ && $3 > 0 { print $3, $6 }' >"$folder/files"
echo "files of the image, $(docker image inspect --format '{{.Size}}' "$image") bytes together:"
sed 's/^/  /' "$folder/files"
[ "$(awk '{ print $2 }' "$folder/files" | sort | xargs)" = "etc/ssl/certs/ca-certificates.crt etc/ssl/certs/rds.pem worker" ] ||
    fail "the image has more or less than the worker and its certificates"

step "a stack without a worker"
if [ -z "$orderflow" ]; then
    (cd "$root" && cargo build --locked --bin orderflow --target-dir "$built")
    orderflow=$built/debug/orderflow
fi
# What this shell is set to for another stack is not for this one.
unset DATABASE_URL TEMPORAL_ADDRESS TEMPORAL_TARGET ORDERFLOW_URL API_AUTH READS RATE_LIMIT ORDER_PROFILE MAIL SMTP_URL
mkdir -p "$folder/stack/.orderflow"
cd "$folder/stack"
read -r http temporal ui metrics mail < <(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(each.getsockname()[1] for each in sockets))')
stack=started
# So long is an order on its way that the worker can be stopped meanwhile.
DELIVERY=auto:8s RUST_LOG=warn "$orderflow" up --detach --no-worker --http-port "$http" --temporal-port "$temporal" \
    --ui-port "$ui" --metrics-port "$metrics" --mail-port "$mail"
"$orderflow" ps | grep '^worker .*external' || fail "the stack has a worker of its own"

# Containers see this machine at the address of Docker's bridge, where the stack does not listen.
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
# What a task of ECS is given; the image itself says where its health is asked for.
python3 - "$folder/stack.json" "$bridge" "${servers[@]}" "${ports[@]}" >"$folder/environment" <<'PYTHON'
import json, sys
stack, bridge, rest = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3:]
moved = zip(rest[: len(rest) // 2], rest[len(rest) // 2 :])
given = {name: stack[name] for name in (
    "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "DATABASE_URL", "SMTP_URL", "MAIL_FROM", "DEFAULT_STOCK") if name in stack}
if "SMTP_URL" not in given:
    given["MAIL"] = "off"
for server, port in moved:
    given = {name: value.replace(server, f"{bridge}:{port}") for name, value in given.items()}
print("LOG_FORMAT=json", *(f"{name}={value}" for name, value in given.items()), sep="\n")
PYTHON

state() {
    docker inspect --format "{{.State.$2}}" "$1"
}
# A worker, until its health check says that it is well.
start() {
    local began
    began=$(now)
    containers+=("$1")
    docker run --detach --name "$1" --read-only --cap-drop ALL --security-opt no-new-privileges \
        --env-file "$folder/environment" "$image" >/dev/null
    until [ "$(state "$1" Health.Status)" = healthy ]; do
        [ "$(state "$1" Status)" = running ] || fail "the container ended"
        [ $(($(now) - began)) -lt 90000 ] || fail "not healthy within 90 s: $(docker inspect --format '{{json .State.Health}}' "$1")"
        sleep 0.1
    done
    echo "healthy after $(($(now) - began)) ms; process, user, program: $(docker top "$1" -eo pid,uid,args | tail -n +2 | xargs)"
}
# As ECS stops a task: SIGTERM, and SIGKILL after the grace, which would end it with 137.
stop() {
    local began
    began=$(now)
    docker stop --time 10 "$1" >/dev/null
    echo "stopped after $(($(now) - began)) ms with exit code $(state "$1" ExitCode)"
    [ "$(state "$1" ExitCode)" = 0 ] || fail "it did not end in order"
    docker logs "$1" 2>&1 | python3 -c 'import json, sys
print(len([json.loads(line) for line in sys.stdin]), "lines of its log, all JSON")'
}
status() {
    "$orderflow" db "select 'status=' || state from orders where id = '$1'" | grep -o 'status=[a-z_]*'
}
delivered() {
    "$orderflow" result "$1" --wait >"$folder/result" || { cat "$folder/result" >&2; exit 1; }
    [ "$(status "$1")" = status=delivered ] || fail "the order $1 ended otherwise: $(status "$1")"
    echo "$1 is delivered"
}

step "the container, as ECS runs it"
start "worker-$$-one"
[ "$(docker top "worker-$$-one" -eo pid,uid | awk 'NR > 1 { print $2 }')" = 65532 ] || fail "it runs as another user than 65532"
if docker exec "worker-$$-one" /bin/sh -c true >/dev/null 2>&1; then fail "there is a shell in it"; fi
echo "there is no shell in it"

step "an order, through HTTP"
"$orderflow" start-order "image-$$-one" "pmt-image-$$-one"
delivered "image-$$-one"
"$orderflow" events "image-$$-one"

step "docker stop while an order is on its way"
"$orderflow" start-order "image-$$-two" "pmt-image-$$-two"
for _ in $(seq 100); do [ "$(status "image-$$-two")" = status=shipped ] && break; sleep 0.1; done
stop "worker-$$-one"
[ "$(status "image-$$-two")" = status=shipped ] || fail "the order was not on its way: $(status "image-$$-two")"
echo "image-$$-two is on its way, and nobody works"

step "the next container"
start "worker-$$-two"
delivered "image-$$-two"
stop "worker-$$-two"

step "stock, payments and trails"
"$orderflow" verify
step "done"
