#!/usr/bin/env bash
# Prints the path of a Python 3.13, which LocalStack needs: the variable PYTHON313, a `python3.13` or `python3` on the PATH,
# or one of pyenv or uv. Exits with 1 and a remedy if there is none.
set -euo pipefail

is_wanted() {
    [ "$("$1" -c 'import ensurepip, sys; print(*sys.version_info[:2])' 2>/dev/null)" = "3 13" ]
}
candidates() {
    echo "${PYTHON313:-}"
    command -v python3.13 || true
    command -v python3 || true
    ls "$(pyenv root)"/versions/3.13.*/bin/python3.13 || true
    uv python find 3.13 || true
}
while read -r candidate; do
    if [ -n "$candidate" ] && is_wanted "$candidate"; then
        echo "$candidate"
        exit
    fi
done < <(candidates 2>/dev/null)
echo "Python 3.13 with venv is missing; install it (Debian 13: python3.13-venv; elsewhere: pyenv install 3.13), or set PYTHON313 to its path" >&2
exit 1
