#!/usr/bin/env bash
# Installs programs from PyPI into the cache folder (ORDERFLOW_CACHE) and prints the folder with the programs. An existing
# installation is kept. `venv.sh sam` installs requirements/sam.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wanted=$here/requirements/$1.txt
case $1 in
    localstack) python=$("$here/python313.sh") ;;
    *) python=python3 ;;
esac
cache=${ORDERFLOW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/orderflow}
venv=$cache/python/$1-$(sha256sum "$wanted" | cut -c1-12)
mkdir -p "$cache/python"
# Of two concurrent scripts, one waits for the other. An incomplete installation is replaced.
exec 9>"$venv.lock"
flock 9
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # The lists are complete, so pip need not search for dependencies.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted" >&2
    touch "$venv/complete"
fi
echo "$venv/bin"
