#!/usr/bin/env bash
# Runs one command of `orderflow` inside the network of a stack, as an ECS task with the release's image. Prints the log of
# the task and exits with its exit code.
#
#   infrastructure/operate.sh STACK COMMAND [ARGUMENT …]
#   infrastructure/operate.sh orderflow stock set ABC123 100
#
# The task logs in to the database as the worker's user, without a password. CloudTrail records each call with its caller.
# Commands that only call the API need no access to the network, so run them on your machine. The variable DATABASE_HOST
# names another instance, such as a restored one, if the role of the task may log in to it.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
stack=$1
shift

stack_output() {
    aws cloudformation describe-stacks --stack-name "$stack" --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}

cluster=$(stack_output Cluster)
network="awsvpcConfiguration={subnets=[$(stack_output PrivateSubnets)],securityGroups=[$(stack_output WorkerGroup)],assignPublicIp=DISABLED}"
database=
[ -z "${DATABASE_HOST:-}" ] || database="postgres://orderflow_worker@$DATABASE_HOST:5432/postgres?sslmode=verify-full&sslrootcert=/etc/ssl/certs/rds.pem"
overrides=$(jq -cn --arg url "$(stack_output ApiUrl)" --arg database "$database" '{containerOverrides: [
    {name: "operate", command: $ARGS.positional, environment: (
        [{name: "ORDERFLOW_URL", value: $url}] +
        if $database == "" then [] else [{name: "DATABASE_URL", value: $database}] end
    )}
]}' --args -- "$@")
task=$(aws ecs run-task --cluster "$cluster" --task-definition "$(stack_output OperateTask)" --launch-type FARGATE \
    --network-configuration "$network" --overrides "$overrides" --query 'tasks[0].taskArn' --output text)
case $task in
    arn:*) echo "task $task" >&2 ;;
    *) echo "error: ECS started no task; see the events of the cluster $cluster" >&2; exit 1 ;;
esac
aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task"
aws logs get-log-events --log-group-name "$(stack_output WorkerLogs)" --log-stream-name "operate/operate/${task##*/}" \
    --start-from-head --query 'events[].message' --output json | jq -r '.[]'
code=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --query 'tasks[0].containers[0].exitCode' --output text)
case $code in
    [0-9]*) exit "$code" ;;
    *)
        echo "error: the task did not start: $(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --query 'tasks[0].stoppedReason' --output text)" >&2
        exit 1
        ;;
esac
