# Runs one server and ends it when nobody holds the other end of standard input any more.
# $1 the signal that stops the server, $2 how many tenths of a second it has before KILL,
# $3 a folder to remove when the other end is gone ("" keeps everything), the rest: the server.
#
# This shell leads a process group of its own, and signals go to that group, never to a pid: a pid can belong to
# somebody else as soon as its process has been waited for, the group is ours for as long as this shell lives.
signal=$1 patience=$2 folder=$3
shift 3
trap '' HUP INT QUIT TERM PIPE
exec 3<&0

# Standard input of a background job is /dev/null, hence descriptor 3. Each line names a signal to pass on.
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

# The other end learns the pid of the server; it may be gone already, which the watcher notices.
echo "$server" >&3

wait "$server"
status=$?
# The watcher never ends by itself before the whole group does, so this pid is still its own.
kill -s KILL "$watcher"
# Somebody who can still be written to may want to start the server again, and removes the folder later.
if [ -n "$folder" ] && ! echo ended 2>/dev/null >&3; then rm -rf -- "$folder"; fi
exit "$status"
