#!/usr/bin/env bash
# Checks the API against docs/openapi.json: Schemathesis sends valid and invalid requests and checks each response.
# Starts a separate stack on free ports and removes it at the end. Takes about two minutes after the build. Builds
# `orderflow`, unless PROGRAM names a program that is built already.
#
# Passes further arguments to Schemathesis: `tests/schemathesis/run.sh --include-path /orders --max-examples 500`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

venv=$root/target/schemathesis
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/"
fi

if [ -n "${PROGRAM:-}" ]; then
    orderflow=$(realpath "$PROGRAM")
else
    (cd "$root" && cargo build --quiet --locked --bin orderflow)
    orderflow=$root/target/debug/orderflow
fi

# A folder with its own state is a separate project.
folder=$(mktemp -d)
mkdir "$folder/.orderflow"
cd "$folder"
clean_up() {
    "$orderflow" down >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

read -r http temporal ui metrics mail < <(python3 - <<'PYTHON'
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(each.getsockname()[1] for each in sockets))
PYTHON
)
# Settings of this shell belong to another stack.
unset DATABASE_URL TEMPORAL_ADDRESS TEMPORAL_TARGET API_AUTH READS RATE_LIMIT
export RUST_LOG=warn
"$orderflow" up --detach --http-port "$http" --temporal-port "$temporal" --ui-port "$ui" \
    --metrics-port "$metrics" --mail-port "$mail"
url=http://127.0.0.1:$http

# The order of the document's examples.
curl --silent --show-error --fail --output /dev/null -X POST "$url/orders/ORD-20261121-120000-AB12/start" \
    -H 'content-type: application/json' -d '{"profile": "checkout"}'

# Schemathesis imports the hooks from this module.
export SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here
"$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run --url "$url" "$@" "$root/docs/openapi.json"
