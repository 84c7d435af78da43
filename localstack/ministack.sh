# shellcheck shell=bash
# Functions of the scripts that start MiniStack. A script sources this file after it has set `here` and `folder`.
emulator=''

step() {
    printf '== %s (after %d s)\n' "$1" "$SECONDS"
}

free_port() {
    python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
}

# Emulators accept any credentials. The configuration of the user is disabled, so that no call reaches a real account.
use_emulator_credentials() {
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=$1 SAM_CLI_TELEMETRY=0
    unset AWS_PROFILE AWS_SESSION_TOKEN AWS_REGION
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
}

# Installs MiniStack, starts it on a free port and sets AWS_ENDPOINT_URL. The arguments are further variables, NAME=VALUE.
start_ministack() {
    local port kill_with_parent
    ministack=$("$here/../tools/venv.sh" ministack)
    port=$(free_port)
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
    # With setpriv, the kernel also stops the emulator if this script is killed.
    kill_with_parent=$(command -v setpriv >/dev/null && echo setpriv --pdeathsig KILL || true)
    # An empty environment: MiniStack's functions inherit its variables, but on AWS they have only those of the template.
    # shellcheck disable=SC2086
    (cd "$folder" && exec env -i PATH="$PATH" HOME="$folder" TMPDIR="$folder" GATEWAY_PORT="$port" BIND_HOST=127.0.0.1 \
        "$@" $kill_with_parent "$ministack/python" -m ministack) >"$folder/emulator.log" 2>&1 &
    emulator=$!
}

# Stops MiniStack, and with it the functions that it started.
stop_ministack() {
    [ -n "$emulator" ] || return 0
    kill "$emulator" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$emulator" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$emulator" 2>/dev/null || true
    wait "$emulator" 2>/dev/null || true
}
