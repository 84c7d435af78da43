#!/usr/bin/env bash
# Starts a separate local stack on free ports with the given `orderflow`, runs a command with it, and stops the stack:
#
#   localstack/stack.sh target/debug/orderflow localstack/invoke.sh --functions target/debug/function-under-test
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
orderflow=$(realpath "$1")
shift
folder=$(mktemp -d)
clean_up() {
    (cd "$folder" && "$orderflow" down >/dev/null 2>&1) || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Settings of this shell belong to another stack.
unset DATABASE_URL TEMPORAL_ADDRESS TEMPORAL_TARGET API_AUTH READS RATE_LIMIT
mkdir "$folder/.orderflow"
read -r http temporal ui metrics mail < <(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(each.getsockname()[1] for each in sockets))')
(cd "$folder" && RUST_LOG=warn "$orderflow" up --detach --http-port "$http" --temporal-port "$temporal" \
    --ui-port "$ui" --metrics-port "$metrics" --mail-port "$mail")
eval "$(cd "$folder" && "$orderflow" env)"
"$@"
