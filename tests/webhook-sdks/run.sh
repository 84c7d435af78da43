#!/usr/bin/env bash
# Compares our signatures with the vendors' SDKs from PyPI (stripe, Adyen, standardwebhooks). Both sides must accept the
# same messages, whichever side signed them. Takes half a minute after the build; only the install needs the network.
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

# `--workspace` instead of `-p orderflow-payment-webhooks`: other features would compile all its dependencies again.
(cd "$root" && cargo build --quiet --locked --workspace --example judge)

"$venv/bin/python" "$here/check.py" "$root/target/debug/examples/judge" "$@"
