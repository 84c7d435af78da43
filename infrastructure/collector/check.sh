#!/usr/bin/env bash
# Runs the collector with both configurations beside the worker of a separate local stack, processes orders, and checks that
# each chosen metric arrives with the worker's value, and traces too. Takes a minute. Needs `prometheus` (Debian: prometheus).
#
#   infrastructure/collector/check.sh ORDERFLOW               the collector of the image in template.yaml; needs Docker
#   infrastructure/collector/check.sh ORDERFLOW COLLECTOR     another program of the AWS Distro for OpenTelemetry
#
# ORDERFLOW is the program, such as target/debug/orderflow.
set -euo pipefail
case $# in
    1 | 2) ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
command -v prometheus >/dev/null || { echo "prometheus is missing; install it (Debian: prometheus)" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
orderflow=$(realpath "$1")

if [ $# = 2 ]; then
    collector=$(realpath "$2")
else
    image=$(sed -n '/^  CollectorImage:/,/^  [A-Z][A-Za-z]*:$/s/^    Default: //p' "$root/template.yaml")
    container=$(docker create "$image")
    collector=$folder/awscollector
    docker cp "$container:/awscollector" "$collector"
    docker rm "$container" >/dev/null
fi

# The worker sends its traces to this port from its start.
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$port "$root/localstack/stack.sh" "$orderflow" \
    python3 "$here/check.py" "$orderflow" "$collector" "$port" "$folder"
