#!/usr/bin/env bash
# Prints the folder of programs from PyPI, made once and kept: `venv.sh sam` for requirements/sam.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wanted=$here/requirements/$1.txt
cache=${ORDERFLOW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/orderflow}
venv=$cache/python/$1-$(sha256sum "$wanted" | cut -c1-12)
mkdir -p "$cache/python"
# Two that want it at once wait for one; half a one is not taken for a whole one.
exec 9>"$venv.lock"
flock 9
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
    touch "$venv/complete"
fi
echo "$venv/bin"
