#!/usr/bin/env bash
# Prints template.yaml with routes that require a key of API Gateway: all routes of orders and payments. SAM accepts no
# condition and no parameter for this property of a route, so release.sh calls this script for GatewayApiKeys=required.
#
#   infrastructure/gateway-keys.sh TEMPLATE
set -euo pipefail
[ $# = 1 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
sed -E '/Method: ANY/! s~(Path: "?/(orders|payments)[^ ]*) \} \}$~\1, Auth: { ApiKeyRequired: true } } }~' "$1"
