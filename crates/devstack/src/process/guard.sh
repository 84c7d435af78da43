# Runs one server and stops it when the other end of standard input is closed.
# $1 is the signal that stops the server, $2 its time to exit before KILL in tenths of a second,
# $3 a folder to remove after the other end is closed ("" removes none), the rest the server's command.
#
# This shell leads a separate process group and sends signals to that group, never to a pid. A pid can
# be reused after its process was waited for; the group exists as long as this shell runs.
signal=$1 patience=$2 folder=$3
shift 3
trap '' HUP INT QUIT TERM PIPE
exec 3<&0

# Standard input of a background job is /dev/null, so the socket is descriptor 3. Each line is the name
# of a signal for the group.
(
    while read -r wanted <&3; do kill -s "$wanted" -- "-$$"; done
    kill -s "$signal" -- "-$$"
    waited=0
    while [ "$waited" -lt "$patience" ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    [ -z "$folder" ] || rm -rf -- "$folder"
    kill -s KILL -- "-$$"
) &
watcher=$!

(
    trap - HUP INT QUIT TERM PIPE
    exec 3<&-
    exec "$@"
) </dev/null &
server=$!

# Sends the server's pid to the other end. If that is closed, the watcher detects it.
echo "$server" >&3

wait "$server"
status=$?
# The watcher exits only together with the whole group, so its pid was not reused.
kill -s KILL "$watcher"
# If the other end is open, it may restart the server and removes the folder later.
if [ -n "$folder" ] && ! echo ended 2>/dev/null >&3; then rm -rf -- "$folder"; fi
exit "$status"
