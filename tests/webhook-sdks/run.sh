#!/usr/bin/env bash
# Our signatures against the vendors' own SDKs (stripe, Adyen, standardwebhooks from PyPI): what they sign or accept we
# accept, what they refuse we refuse, and the other way round. Half a minute once built; no network but for the SDKs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

venv=$root/target/webhook-sdks
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/"
fi

# Of the workspace, not `-p orderflow-payment-webhooks`: another set of features would compile everything below it again.
(cd "$root" && cargo build --quiet --locked --workspace --example judge)

"$venv/bin/python" "$here/check.py" "$root/target/debug/examples/judge" "$@"
