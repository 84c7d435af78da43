#!/usr/bin/env bash
# Prints template.yaml with routes that require a key of API Gateway: all routes of orders, payments and statistics. SAM
# accepts no condition and no parameter for this property of a route, so release.sh calls this script for
# GatewayApiKeys=required.
#
#   infrastructure/gateway-keys.sh TEMPLATE
set -euo pipefail
[ $# = 1 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
changed=$(sed -E '/Method: ANY/! s~(Path: "?/(orders|payments|stats)[^ ]*) \} \}$~\1, Auth: { ApiKeyRequired: true } } }~' "$1")
# Otherwise, a changed format of the template would deploy routes without keys.
for route in orders payments stats; do
    grep -qE "Path: \"?/$route.*ApiKeyRequired: true" <<<"$changed" || { echo "error: $1: no route of /$route was found; write each route on one line" >&2; exit 1; }
done
printf '%s\n' "$changed"
