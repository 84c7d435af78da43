#!/usr/bin/env bash
# Runs infrastructure/smoke.sh against local stacks with the settings of template.yaml: with each authentication, with the
# simulator, and with Stripe at an address where nothing listens, because the smoke test must not charge.
#
#   localstack/smoke.sh PROGRAM     PROGRAM is `orderflow`, such as target/debug/orderflow
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=$(realpath "${1:?PROGRAM is missing; build it with: cargo build --bin orderflow}")
python=$("$root/tools/venv.sh" sam)/python
folder=$(mktemp -d)
chmod 755 "$folder"
cd "$folder"
# Settings of this shell belong to another stack.
unset DATABASE_URL TEMPORAL_ADDRESS TEMPORAL_TARGET ORDERFLOW_URL ORDERFLOW_API_KEY ORDERFLOW_TOKEN API_AUTH READS ORDER_PROFILE

clean_up() {
    "$program" down >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
mkdir .orderflow
read -r http temporal ui metrics mail < <(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(each.getsockname()[1] for each in sockets))')

# Prints a token and its key set, as an issuer makes them.
"$python" - >"$folder/jwt" <<'PYTHON'
import base64, json, time
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
key = rsa.generate_private_key(65537, 2048)
numbers = key.public_key().public_numbers()
number = lambda value: encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
head = {"alg": "RS256", "typ": "JWT", "kid": "smoke"}
claims = {"iss": "https://issuer.example", "aud": "orderflow", "sub": "smoke", "exp": int(time.time()) + 600, "scope": "orders:read orders:write"}
text = ".".join(encode(json.dumps(part).encode()) for part in (head, claims))
signature = encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))
print(f"{text}.{signature}")
print(json.dumps({"keys": [{"kty": "RSA", "kid": "smoke", "alg": "RS256", "use": "sig", "n": number(numbers.n), "e": number(numbers.e)}]}))
PYTHON
{ read -r token; read -r keys; } <"$folder/jwt"
"$program" api-key create --name smoke --scopes orders:read,orders:write --json >"$folder/key"
key=$(jq -r .key key)
line=$(jq -r .line key)

# Runs the smoke test with these settings, and expects this line of the order.
expect() {
    local expected=$1 credential=$2
    shift 2
    env ALLOW_PROFILE_OVERRIDE=off DELIVERY=confirm SAMPLE_CART=off DEFAULT_STOCK=0 "$@" "$program" up --detach --http-port "$http" \
        --temporal-port "$temporal" --ui-port "$ui" --metrics-port "$metrics" --mail-port "$mail" >"$folder/up" 2>&1 ||
        { cat "$folder/up" >&2; exit 1; }
    printf '== %s\n' "$*"
    env "$credential" "$root/infrastructure/smoke.sh" "http://127.0.0.1:$http" | tee "$folder/shown"
    grep -q "$expected" "$folder/shown" || { echo "error: expected: $expected" >&2; exit 1; }
    "$program" reset --yes >/dev/null
}

stripe=(PAYMENT_PROVIDER=stripe STRIPE_API_KEY=rk_test_smoke STRIPE_API_BASE=http://127.0.0.1:9)
expect 'no stock' "ORDERFLOW_API_KEY=$key" API_AUTH=api-key "API_KEYS=$line"
expect 'no stock' "ORDERFLOW_API_KEY=$key" API_AUTH=api-key "API_KEYS=$line" "${stripe[@]}"
expect 'no stock' "ORDERFLOW_TOKEN=$token" API_AUTH=jwt JWT_ISSUER=https://issuer.example JWT_AUDIENCE=orderflow "JWT_JWKS=$keys"
expect 'skipped order' NO_COLOR=1 API_AUTH=api-key "API_KEYS=$line"
expect 'accepted, because of API_AUTH=none' NO_COLOR=1 API_AUTH=none
expect 'cancelled before its payment' "ORDERFLOW_API_KEY=$key" API_AUTH=api-key "API_KEYS=$line" DEFAULT_STOCK=100
expect 'cancelled before its payment' "ORDERFLOW_API_KEY=$key" API_AUTH=api-key "API_KEYS=$line" DEFAULT_STOCK=100 REVIEW=approval REVIEW_THRESHOLD=0.01
expect 'rejected with 422' "ORDERFLOW_API_KEY=$key" API_AUTH=api-key "API_KEYS=$line" PAYMENT=charge "${stripe[@]}"
echo "== a wrong key and an unreachable API fail"
env API_AUTH=api-key "API_KEYS=$line" "$program" up --detach --http-port "$http" --temporal-port "$temporal" --ui-port "$ui" \
    --metrics-port "$metrics" --mail-port "$mail" >"$folder/up" 2>&1
if ORDERFLOW_API_KEY=wrong "$root/infrastructure/smoke.sh" "http://127.0.0.1:$http"; then exit 1; fi
"$program" down >/dev/null
if "$root/infrastructure/smoke.sh" "http://127.0.0.1:$http"; then exit 1; fi
echo "== done"
