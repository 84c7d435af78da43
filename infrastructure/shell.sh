# For scripts to include. Older programs would change the result of a script instead of stopping it.

# Prints what the shell and the programs of the system lack. Prints nothing if they are sufficient.
missing_in_shell() {
    local major=$1 minor=$2
    if [ $((major * 100 + minor)) -lt 404 ]; then
        echo "Bash 4.4 or later is required, this is $major.$minor; on macOS: brew install bash"
    elif ! sed --version >/dev/null 2>&1 || ! command -v sha256sum >/dev/null; then
        echo "the GNU programs sed and sha256sum are required; on macOS: see step 0 of docs/deploy.md"
    fi
}

require_shell() {
    local missing
    missing=$(missing_in_shell "${BASH_VERSINFO[0]}" "${BASH_VERSINFO[1]}")
    [ -z "$missing" ] || { echo "error: $missing" >&2; exit 1; }
}

# The module tomllib of Python 3.11 reads samconfig.toml.
has_python() {
    python3 -c 'import tomllib' 2>/dev/null
}
