#!/usr/bin/env bash
# Runs one command of `orderflow` inside the network of a stack, as an ECS task with the release's image. Prints the log of
# the task while it runs, and exits with the exit code of the command.
#
#   infrastructure/operate.sh [--timeout SECONDS] STACK COMMAND [ARGUMENT …]
#   infrastructure/operate.sh orderflow stock set ABC123 100
#
# The task stops on Ctrl-C (exit code 130) and after the time-out of one hour (exit code 124). It logs in to the database as
# the worker's user, without a password. CloudTrail records each call with its caller and its arguments, so pass no secret.
# Commands that only call the API need no access to the network, so run them on your machine.
# The variable DATABASE_HOST names another instance, such as a restored one, if the role of the task may log in to it.
set -euo pipefail
export AWS_PAGER=''

usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit "${2:-1}"
}

timeout=3600
if [ "${1:-}" = --timeout ]; then
    [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage
    timeout=$2
    shift 2
fi
[ $# -ge 2 ] || usage
stack=$1
shift

case $1 in
    up | start | down | stop | restart | ps | logs | env | reset | temporal | demo | chaos | bench | completions)
        fail "orderflow $1: it is for a local stack; run it on your machine" 2 ;;
    snapshot) fail "orderflow snapshot: it calls RDS with your own rights; run it on your machine (docs/runbook.md, \"Restore\")" 2 ;;
    backup) fail "orderflow backup: the files of a task are lost; use \`orderflow snapshot\` on your machine" 2 ;;
    db) [ "${2:-}" != shell ] || fail "orderflow db shell: a task has no terminal; use: orderflow db \"select …\"" 2 ;;
esac
for argument in "$@"; do
    [ "$argument" != - ] || fail "argument -: a task has no standard input; pass the text as an argument" 2
done

outputs=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Outputs' --output json)
stack_output() {
    jq -er --arg name "$1" '(. // [])[] | select(.OutputKey == $name) | .OutputValue' <<<"$outputs" ||
        fail "stack $stack: it has no output $1; a stack with DeployBackend=false cannot run commands"
}

cluster=$(stack_output Cluster)
definition=$(stack_output OperateTask)
logs=$(stack_output WorkerLogs)
subnets=$(stack_output PrivateSubnets)
group=$(stack_output WorkerGroup)
url=$(stack_output ApiUrl)
network="awsvpcConfiguration={subnets=[$subnets],securityGroups=[$group],assignPublicIp=DISABLED}"
# One call for each argument, because versions of jq differ in `--args` with options and in NUL characters.
command=$(for argument in "$@"; do jq -cn --arg value "$argument" '$value'; done | jq -cs .)
database=
[ -z "${DATABASE_HOST:-}" ] || database="postgres://orderflow_worker@$DATABASE_HOST:5432/postgres?sslmode=verify-full&sslrootcert=/etc/ssl/certs/rds.pem"
overrides=$(jq -cn --argjson command "$command" --arg url "$url" --arg database "$database" '{containerOverrides: [
    {name: "operate", command: $command, environment: (
        [{name: "ORDERFLOW_URL", value: $url}] +
        if $database == "" then [] else [{name: "DATABASE_URL", value: $database}] end
    )}
]}')
[ "$(wc -c <<<"$overrides")" -le 8192 ] || fail "arguments: longer than the 8192 bytes that ECS accepts; split the command" 2

# Names this call, so that its task is found if the call is interrupted before ECS responds.
call=operate-$(date +%s)-$$-$RANDOM
task=''
stop_task() {
    local reason=$1 found
    found=$task
    [ -n "$found" ] || found=$(aws ecs list-tasks --cluster "$cluster" --started-by "$call" --query 'taskArns[0]' --output text) || true
    case $found in
        arn:*)
            if aws ecs stop-task --cluster "$cluster" --task "$found" --reason "$reason" --query task.lastStatus --output text >/dev/null; then
                echo "stopped task $found: $reason" >&2
            else
                echo "error: task $found was not stopped and continues; stop it: aws ecs stop-task --cluster $cluster --task $found" >&2
            fi
            ;;
    esac
}
interrupt() {
    # A second signal must not interrupt this.
    trap '' INT TERM HUP
    stop_task "interrupted by the operator"
    exit 130
}
trap interrupt INT TERM HUP

started=$(aws ecs run-task --cluster "$cluster" --task-definition "$definition" --launch-type FARGATE --started-by "$call" \
    --network-configuration "$network" --overrides "$overrides" --output json)
task=$(jq -r '.tasks[0].taskArn // ""' <<<"$started")
[ -n "$task" ] || fail "ECS started no task: $(jq -r '[.failures[]? | .reason] | join(", ")' <<<"$started"); for a lack of capacity, repeat the command; for a quota, run infrastructure/preflight.sh"
echo "task $task" >&2

stream=operate/operate/${task##*/}
token=''
# Prints the lines that the task has logged since the last call. The stream does not exist before the first line.
print_log() {
    local page next
    while true; do
        page=$(aws logs get-log-events --log-group-name "$logs" --log-stream-name "$stream" --start-from-head \
            ${token:+--next-token "$token"} --output json 2>/dev/null) || return 0
        jq -r '.events[].message' <<<"$page"
        next=$(jq -r .nextForwardToken <<<"$page")
        [ "$next" != "$token" ] || return 0
        token=$next
    done
}

failures=0
while true; do
    if state=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --query 'tasks[0]' --output json); then
        failures=0
    else
        failures=$((failures + 1))
        [ "$failures" -lt 10 ] || fail "task $task: ECS does not report its state; it continues, and logs to the stream $stream of $logs"
        state='{}'
    fi
    print_log
    [ "$(jq -r '.lastStatus? // ""' <<<"$state")" != STOPPED ] || break
    if [ "$SECONDS" -ge "$timeout" ]; then
        stop_task "not finished after $timeout s"
        print_log
        exit 124
    fi
    sleep 3
done
# The last lines can arrive after the end of the task.
sleep 3
print_log

code=$(jq -r '.containers[0].exitCode // "none"' <<<"$state")
reason=$(jq -r '[.containers[0].reason, .stoppedReason] | map(select(. != null)) | join("; ")' <<<"$state")
case $code in
    0) ;;
    none) fail "the task did not start: $reason" ;;
    *) [ "$code" -lt 128 ] || echo "error: the command was killed: $reason" >&2 ;;
esac
exit "$code"
