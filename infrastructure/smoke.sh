#!/usr/bin/env bash
# Checks a deployment from outside: health, API description, a rejected call, and one order that takes no money and no stock.
# Works with every payment provider and authentication. Takes a few seconds.
#
#   infrastructure/smoke.sh STACK|URL
#
# The order needs a key with the scopes orders:read and orders:write in ORDERFLOW_API_KEY, or a token in ORDERFLOW_TOKEN.
# Without both, the order is left out. Needs curl and jq. Exits with 1 if a check fails.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
case $1 in
    http://* | https://*) url=${1%/} ;;
    *)
        url=$(aws cloudformation describe-stacks --stack-name "$1" --query "Stacks[0].Outputs[?OutputKey=='ApiUrl'].OutputValue" --output text)
        ;;
esac

headers=()
if [ -n "${ORDERFLOW_API_KEY:-}" ]; then
    headers=("X-Api-Key: $ORDERFLOW_API_KEY")
elif [ -n "${ORDERFLOW_TOKEN:-}" ]; then
    headers=("Authorization: Bearer $ORDERFLOW_TOKEN")
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

ok() {
    printf 'ok      %s: %s\n' "$1" "$2"
}

fail() {
    printf 'failed  %s: %s; %s\n' "$1" "$2" "$3" >&2
    exit 1
}

# Sets `status`, and writes the body of the response to the folder. The headers are a file, so that no process list shows the
# key.
request() {
    local method=$1 path=$2
    shift 2
    status=$(curl --silent --show-error --max-time 40 --output "$folder/body" --write-out '%{http_code}' --request "$method" \
        "$@" "$url$path") || status=000
}

authorized() {
    request "$@" --header "@$folder/headers"
}

field() {
    jq -r "$1 // \"\"" "$folder/body" 2>/dev/null || true
}

printf '%s\n' "${headers[@]}" >"$folder/headers"

request GET /health
[ "$status" = 200 ] && [ "$(field .status)" = ok ] ||
    fail health "status $status $(field .detail)" "read the log of the function start, and run: orderflow check"
ok health "$url"

request GET /openapi.json
[ "$status" = 200 ] && [ -n "$(field .openapi)" ] || fail "API description" "status $status" "read the log of the function web"
ok "API description" "version $(field .info.version)"

request GET /orders/smoke-test
case $status in
    401) ok "call without a key" "rejected with 401" ;;
    404) ok "call without a key" "accepted, because of API_AUTH=none" ;;
    403) fail "call without a key" "status 403" "use the URL with its stage, as in the output ApiUrl" ;;
    *) fail "call without a key" "status $status $(field .code), expected 401" "see docs/runbook.md, \"Symptoms\"" ;;
esac
if [ "$status" = 401 ] && [ "${#headers[@]}" = 0 ]; then
    echo "skipped order: set ORDERFLOW_API_KEY or ORDERFLOW_TOKEN"
    exit
fi

# The SKU has no stock, so the order normally fails. Without a payment id, it takes no money before the stock is checked.
order=smoke-$(date +%s)-$$
cat >"$folder/order.json" <<'JSON'
{
  "customer": {"id": "smoke-test", "name": "Smoke test", "email": "smoke-test@example.com"},
  "items": [{"sku": "SMOKE-TEST", "name": "Smoke test", "quantity": 1, "unit_price": "1.00"}],
  "shipping_address": {"street": "1 Test St", "city": "Test", "state": "CA", "postal_code": "94102", "country": "US"}
}
JSON
authorized POST /orders --header 'Content-Type: application/json' --header "Idempotency-Key: $order" --data-binary "@$folder/order.json"
if [ "$status" = 422 ] && grep -q '"/payment/method"' "$folder/body"; then
    # PAYMENT=charge with a provider that needs a payment method. Nothing else can be tested without money.
    ok order "rejected with 422, because PAYMENT=charge requires a payment method"
    exit
fi
case $status in
    2??) ;;
    401 | 403) fail order "status $status $(field .detail)" "use a key with the scopes orders:read and orders:write; a new key is valid after its release" ;;
    503) fail order "status 503 $(field .detail)" "run: infrastructure/operate.sh STACK check" ;;
    *) fail order "status $status $(cat "$folder/body")" "see docs/runbook.md, \"Symptoms\"" ;;
esac
id=$(field .order_id)
cancelled=no
for ((attempt = 0; attempt < 60; attempt++)); do
    authorized GET "/orders/$id" --header 'Prefer: wait=2'
    state=$(field .status) step=$(field .step)
    if [ "$status" = 200 ] && [ "$(jq .is_running "$folder/body")" = false ]; then
        case $state/$(field .failure.code) in
            failed/out_of_stock) ok order "$id failed, because its SKU has no stock" ;;
            cancelled/*) ok order "$id was cancelled before its payment" ;;
            *) fail order "$id ended $state $(field .failure.code), expected failed or cancelled" "read its events: orderflow events $id" ;;
        esac
        exit
    fi
    # With DEFAULT_STOCK, the order waits for its payment; with REVIEW=approval, for its review.
    if [ "$cancelled" = no ] && { [ "$step" = pay ] || [ "$step" = manual_review ]; }; then
        authorized POST "/orders/$id/signals/cancel" --header 'Content-Type: application/json' --data '{"reason": "smoke test"}'
        cancelled=yes
    fi
    sleep 1
done
fail order "$id is $state (step $step) after a minute" "check that a worker runs: infrastructure/operate.sh STACK check"
