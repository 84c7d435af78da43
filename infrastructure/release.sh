#!/usr/bin/env bash
# Releases the current commit: builds and pushes both images, builds the functions, deploys the stack, protects it, and
# checks that functions and worker are of this commit. A repeated call continues where the previous one failed.
#
#   infrastructure/release.sh dev|prod [PARAMETER=VALUE …]
#
# The parameters are added to those of samconfig.toml. The image tag is `dev-COMMIT` or `release-COMMIT`. If `dev-COMMIT`
# exists, `prod` uses that image, so that the tested build is released.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:-}
case $stage in
    dev) configuration=default stack=orderflow-dev prefix=dev ;;
    prod) configuration=prod stack=orderflow prefix=release ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
shift

step() {
    printf '== %s\n' "$1"
}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

for argument in "$@"; do
    case $argument in
        ReleaseId=*) fail "$argument: the script computes the id; omit ReleaseId" ;;
        ImageTag=*) fail "$argument: the tag is made of the commit; check out the commit of the release and omit ImageTag" ;;
        ?*=*) ;;
        *) fail "$argument: not a parameter; use NAME=VALUE" ;;
    esac
done
[ -z "$(git status --porcelain)" ] || fail "the working tree has changes that are not committed; commit or remove them, because the tag names the commit"
commit=$(git rev-parse --short=12 HEAD)
tag=$prefix-$commit

stack_output() {
    aws cloudformation describe-stacks --stack-name "$1" --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue" --output text
}

step "images $tag"
registry=$(stack_output orderflow-account Registry) || fail "stack orderflow-account: missing; do step 1 of docs/deploy.md"
aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"

has_image() {
    aws ecr describe-images --repository-name "$1" --image-ids "imageTag=$2" >/dev/null 2>&1
}

for repository in orderflow-worker orderflow; do
    image=$registry/$repository
    if has_image "$repository" "$tag"; then
        echo "$image:$tag exists"
    elif [ "$stage" = prod ] && has_image "$repository" "dev-$commit"; then
        docker buildx imagetools create --tag "$image:$tag" "$image:dev-$commit"
    else
        target=worker
        [ "$repository" = orderflow-worker ] || target=$repository
        docker buildx build --platform linux/arm64 -f worker/Dockerfile --target "$target" -t "$image:$tag" --push .
    fi
done

# SAM replaces the parameters of samconfig.toml by those of the command line, so all of them are passed.
mapfile -t parameters < <(python3 -c '
import sys, tomllib
with open("samconfig.toml", "rb") as file:
    configuration = tomllib.load(file)[sys.argv[1]]
print(*configuration["deploy"]["parameters"]["parameter_overrides"], sep="\n")' "$configuration")

step "functions"
template=template.yaml
if printf '%s\n' "${parameters[@]}" "$@" | grep -qE '^GatewayApiKeys="?required"?$'; then
    # In this folder, because its paths are relative.
    template=.gateway-keys.yaml
    trap 'rm -f .gateway-keys.yaml' EXIT
    infrastructure/gateway-keys.sh template.yaml >"$template"
fi
sam build --template-file "$template"

# SAM ends an unquoted value at its first space, and rejects an empty one.
quote() {
    local argument value
    for argument in "$@"; do
        value=${argument#*=}
        case $value in
            '"'*'"') printf '%s\n' "$argument" ;;
            *) printf '%s="%s"\n' "${argument%%=*}" "${value//\"/\\\"}" ;;
        esac
    done
}

deploy() {
    local quoted id
    mapfile -t quoted < <(quote "${parameters[@]}" "$@" "ImageTag=$tag")
    # SAM publishes a version of the functions when this id changes.
    id=$(printf '%s\n' "$template" "${quoted[@]}" | sha256sum | cut -c 1-64)
    sam deploy --config-env "$configuration" --parameter-overrides "${quoted[@]}" "ReleaseId=\"$id\""
}

status=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus' --output text 2>/dev/null) || status=missing
case $status in
    missing | REVIEW_IN_PROGRESS) exists=no ;;
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED) fail "stack $stack: $status; follow docs/runbook.md, \"The first deployment failed\"" ;;
    *) exists=yes ;;
esac
# The first deployment must be able to delete the database if it fails, so the database is protected afterwards.
protect=()
[ "$stage" = dev ] || protect=(ProtectDatabase=true)
step "deployment of $stack ($status)"
if [ "$exists" = yes ]; then
    deploy "$@" "${protect[@]}"
else
    deploy "$@"
    if [ "$stage" = prod ]; then
        step "deletion protection of the database"
        deploy "$@" "${protect[@]}"
    fi
fi

cluster=$(stack_output "$stack" Cluster)
if [ -z "$cluster" ]; then
    # DeployBackend=false
    step "done: functions of $commit"
    exit
fi
if [ "$stage" = prod ]; then
    step "protection of the stack"
    aws cloudformation update-termination-protection --enable-termination-protection --stack-name "$stack" --output text
    aws cloudformation set-stack-policy --stack-name "$(stack_output "$stack" DatabaseStack)" \
        --stack-policy-body "$(cat infrastructure/database-policy.json)"
fi

step "retention of the database's logs"
# RDS creates these groups, without a retention time.
days=$(printf '%s\n' "${parameters[@]}" "$@" | sed -n 's/^LogRetentionDays="\{0,1\}\([0-9]*\).*/\1/p' | tail -n 1)
database=$(stack_output "$stack" Database)
for group in "/aws/rds/instance/$database/postgresql" "/aws/rds/instance/$database/upgrade" RDSOSMetrics; do
    aws logs put-retention-policy --log-group-name "$group" --retention-in-days "${days:-30}" ||
        echo "log group $group: not there yet; the next release sets its retention time"
done

step "builds of functions and worker"
service=$(aws ecs list-services --cluster "$cluster" --query 'serviceArns[0]' --output text)
task=$(aws ecs describe-services --cluster "$cluster" --services "$service" --query 'services[0].taskDefinition' --output text)
image=$(aws ecs describe-task-definition --task-definition "$task" --query 'taskDefinition.containerDefinitions[0].image' --output text)
[ "${image##*:}" = "$tag" ] || fail "worker: it has the image $image instead of $tag; see docs/runbook.md, \"No worker\""
for name in Start Signal Query Events Webhook Web; do
    function=$(aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id "${name}Function" \
        --query StackResourceDetail.PhysicalResourceId --output text)
    release=$(aws lambda get-function-configuration --function-name "$function" --qualifier live --query Environment.Variables.RELEASE --output text)
    [ "$release" = "$tag" ] || fail "function $name: it is of release $release instead of $tag; repeat the release"
done
step "done: functions and worker are of $tag"
