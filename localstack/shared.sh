# shellcheck shell=bash
# Functions that the scripts of this folder share. A script sources this file after it has set `here` and `folder`.
emulator=''

step() {
    printf '== %s (after %d s)\n' "$1" "$SECONDS"
}

# Prints free ports, as many as the argument says.
free_ports() {
    python3 -c 'import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(each.getsockname()[1] for each in sockets))' "$1"
}

# Prints the given port if it is free, otherwise another one.
free_port() {
    python3 -c 'import socket, sys
for port in (int(sys.argv[1]), 0):
    try:
        print(socket.create_server(("127.0.0.1", port)).getsockname()[1])
        break
    except OSError:
        pass' "${1:-0}"
}

# Emulators accept any credentials. The configuration of the user is disabled, so that no call reaches a real account.
use_emulator_credentials() {
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=$1 SAM_CLI_TELEMETRY=0
    unset AWS_PROFILE AWS_SESSION_TOKEN AWS_REGION
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
}

# Starts a separate local stack in a folder, with the program `orderflow`, on free ports. Sets the variables of its
# settings. Temporal, database, worker and mailbox are those of `orderflow up`.
start_stack() {
    local orderflow=$1 folder=$2 http temporal ui metrics mail
    # Settings of this shell belong to another stack.
    unset DATABASE_URL TEMPORAL_ADDRESS TEMPORAL_TARGET API_AUTH READS RATE_LIMIT
    mkdir -p "$folder/.orderflow"
    read -r http temporal ui metrics mail < <(free_ports 5)
    (cd "$folder" && RUST_LOG=warn "$orderflow" up --detach --http-port "$http" --temporal-port "$temporal" \
        --ui-port "$ui" --metrics-port "$metrics" --mail-port "$mail")
    eval "$(cd "$folder" && "$orderflow" env)"
}

stop_stack() {
    (cd "$2" && "$1" down >/dev/null 2>&1) || true
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
    stop_process "$emulator"
    wait "$emulator" 2>/dev/null || true
}

# Stops a process: with SIGTERM, then after 20 s with SIGKILL.
stop_process() {
    kill "$1" 2>/dev/null || true
    for _ in $(seq 200); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$1" 2>/dev/null || true
}

# Prints a process id with the start time of the process, because the system uses an id again.
identify_process() {
    local start
    if [ -e /proc/self/stat ]; then
        # Field 22; the name of the program, which may contain spaces, is field 2.
        start=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20)
    else
        start=$(LC_ALL=C ps -o lstart= -p "$1" | xargs)
    fi
    echo "$1 ${start:-ended}"
}

is_running() {
    [ "$(identify_process "${1%% *}")" = "$1" ]
}

# A program of Python that runs a command as the first process of a session, so that Ctrl-C does not end it.
DETACH='import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])'
