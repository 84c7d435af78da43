#!/usr/bin/env bash
# Releases the current commit: builds and pushes both images, builds the functions, deploys the stack, protects it, and
# checks that functions and worker are of this commit. A repeated call continues where the previous one failed.
#
#   infrastructure/release.sh dev|prod [--build | --deploy | --review] [--yes] [PARAMETER=VALUE …]
#
#   --build    only builds: the images in the registry, and the functions in .aws-sam/dev or .aws-sam/prod
#   --deploy   only deploys that build, which can be made on another machine
#   --review   prints the change set of that build with its nested stacks as Markdown; changes nothing
#   --yes      deploys without a confirmation; the default if CI=true, as on hosted runners
#
# The parameters are added to those of samconfig.toml. The image tag is `dev-COMMIT` or `release-COMMIT`. If `dev-COMMIT`
# exists, `prod` uses that image, so that the tested build is released. CLOUDFORMATION_ROLE can have the ARN of the role
# with which CloudFormation changes the stack (infrastructure/pipeline/role.yaml).
set -euo pipefail
cd "$(dirname "$0")/.."
. infrastructure/shell.sh
require_shell
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

does_build=yes does_deploy=yes does_review=no
[ "${CI:-}" = true ] && confirm=no || confirm=yes
values=()
for argument in "$@"; do
    case $argument in
        --build) does_deploy=no ;;
        --deploy) does_build=no ;;
        --review) does_build=no does_deploy=no does_review=yes ;;
        --yes) confirm=no ;;
        ReleaseId=*) fail "$argument: the script computes the id; omit ReleaseId" ;;
        ImageTag=*) fail "$argument: the tag is made of the commit; check out the commit of the release and omit ImageTag" ;;
        -*) fail "$argument: not an option; use --build, --deploy, --review or --yes" ;;
        ?*=*) values+=("$argument") ;;
        *) fail "$argument: not a parameter; use NAME=VALUE" ;;
    esac
done
set -- "${values[@]}"
# The Markdown alone goes to the standard output.
exec 3>&1
[ "$does_review" = no ] || exec 1>&2
[ "$does_build$does_deploy$does_review" != nonono ] || fail "--build and --deploy: each excludes the other; omit both to do both"
[ -z "$(git status --porcelain)" ] || fail "the working tree has changes that are not committed; commit or remove them, because the tag names the commit"
commit=$(git rev-parse --short=12 HEAD)
tag=$prefix-$commit

# SAM replaces the parameters of samconfig.toml by those of the command line, so all of them are passed.
has_python || fail "Python 3.11 or later is required; see step 0 of docs/deploy.md"
configured=$(python3 -c '
import sys, tomllib
with open("samconfig.toml", "rb") as file:
    configuration = tomllib.load(file)[sys.argv[1]]
parameters = configuration["deploy"]["parameters"]["parameter_overrides"]
if not isinstance(parameters, list) or not parameters:
    sys.exit("parameter_overrides must be a list that is not empty")
print(*parameters, sep="\n")' "$configuration") || fail "samconfig.toml: the parameters of $configuration were not read; see above"
mapfile -t parameters <<<"$configured"

# Prints the last value of a parameter, or nothing.
parameter() {
    local argument value=''
    for argument in "${parameters[@]}" "${values[@]}"; do
        [ "${argument%%=*}" != "$1" ] || value=${argument#*=}
    done
    value=${value#\"}
    printf '%s' "${value%\"}"
}
[ "$(parameter DeployBackend)" = false ] && has_backend=no || has_backend=yes
[ "$(parameter GatewayApiKeys)" = required ] && routes=keys || routes=open

stack_output() {
    aws cloudformation describe-stacks --stack-name "$1" --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue" --output text
}

has_image() {
    local response
    response=$(aws ecr describe-images --repository-name "$1" --image-ids "imageTag=$2" 2>&1) && return
    case $response in
        *ImageNotFoundException*) return 1 ;;
        *) fail "image $1:$2: ECR does not tell whether it exists: $response" ;;
    esac
}

# Builds an image, or gives the tag to the image that dev has tested.
push_image() {
    local repository=$1 image=$registry/$1 target=$2
    if has_image "$repository" "$tag"; then
        echo "$image:$tag exists"
    elif [ "$stage" = prod ] && has_image "$repository" "dev-$commit"; then
        # With --build, the tag waits for the deployment.
        [ "$does_deploy" = no ] || docker buildx imagetools create --tag "$image:$tag" "$image:dev-$commit"
    elif [ "$does_build" = yes ]; then
        docker buildx build --platform linux/arm64 -f worker/Dockerfile --target "$target" -t "$image:$tag" --push .
    else
        fail "image $image:$tag: missing; run infrastructure/release.sh $stage --build on the commit $commit"
    fi
}

# Without a backend, no task runs an image.
if [ "$does_review" = no ] && [ "$has_backend" = yes ]; then
    step "images $tag"
    registry=$(stack_output orderflow-account Registry) || fail "stack orderflow-account: missing; do step 1 of docs/deploy.md"
    aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"
    push_image orderflow-worker worker
    push_image orderflow orderflow
fi

built=.aws-sam/$stage
# The routes of the built template have keys or not, so a build fits only one value of GatewayApiKeys.
is_built() {
    [ "$(cat "$built/commit" 2>/dev/null)" = "$commit $routes" ]
}
if [ "$does_build" = yes ] || { [ "$does_review" = yes ] && ! is_built; }; then
    step "functions"
    template=template.yaml
    if [ "$routes" = keys ]; then
        # In this folder, because its paths are relative.
        template=.gateway-keys.yaml
        trap 'rm -f .gateway-keys.yaml' EXIT
        infrastructure/gateway-keys.sh template.yaml >"$template"
    fi
    rm -f "$built/commit"
    sam build --template-file "$template" --build-dir "$built"
    mkdir -p "$built"
    echo "$commit $routes" >"$built/commit"
elif ! is_built; then
    fail "$built: not a build of the commit $commit with GatewayApiKeys=$(parameter GatewayApiKeys); run infrastructure/release.sh $stage --build with the same parameters"
fi
if [ "$does_build" = yes ] && [ "$does_deploy" = no ]; then
    step "done: $tag is built"
    exit
fi

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

# SAM publishes a version of the functions when this id changes. The protection of the database changes no function, so that
# the first release of production publishes one version.
release_id() {
    printf '%s\n' "$@" | sed '/^ProtectDatabase=/d' | sha256sum | cut -c 1-64
}

# All parameters of a deployment, in the array `overrides`.
set_overrides() {
    local quoted id
    quoted=$(quote "${parameters[@]}" "$@" "ImageTag=$tag")
    mapfile -t overrides <<<"$quoted"
    id=$(release_id "${overrides[@]}")
    overrides+=("ReleaseId=\"$id\"")
}

deploy() {
    set_overrides "$@"
    sam deploy --config-file "$PWD/samconfig.toml" --config-env "$configuration" --template-file "$built/template.yaml" \
        "${options[@]}" --parameter-overrides "${overrides[@]}"
}
options=()
[ "$confirm" = yes ] || options+=(--no-confirm-changeset)
[ -z "${CLOUDFORMATION_ROLE:-}" ] || options+=(--role-arn "$CLOUDFORMATION_ROLE")

# The first deployment must be able to delete the database if it fails, so the database is protected afterwards.
protect=()
[ "$stage" = dev ] || protect=(ProtectDatabase=true)

if [ "$does_review" = yes ]; then
    set_overrides "$@" "${protect[@]}"
    python3 infrastructure/pipeline/review.py "$stack" "$built/template.yaml" "${overrides[@]}" >&3
    exit
fi

status=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus' --output text 2>&1) ||
    case $status in
        *"does not exist"*) status=missing ;;
        *) fail "stack $stack: CloudFormation does not tell its status: $status" ;;
    esac
case $status in
    missing | REVIEW_IN_PROGRESS) exists=no ;;
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | DELETE_FAILED) fail "stack $stack: $status; follow docs/runbook.md, \"The first deployment failed\"" ;;
    *_IN_PROGRESS) fail "stack $stack: $status; wait until this change ends, then repeat; see docs/runbook.md, \"Deploy\"" ;;
    UPDATE_ROLLBACK_FAILED) fail "stack $stack: $status; follow docs/runbook.md, \"A rollout failed\"" ;;
    *) exists=yes ;;
esac
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
    database_stack=$(stack_output "$stack" DatabaseStack)
    policy=$(cat infrastructure/database-policy.json)
    aws cloudformation set-stack-policy --stack-name "$database_stack" --stack-policy-body "$policy"
fi

step "retention of the database's logs"
# RDS creates these groups, without a retention time.
days=$(parameter LogRetentionDays)
database=$(stack_output "$stack" Database)
groups=("/aws/rds/instance/$database/postgresql" "/aws/rds/instance/$database/upgrade")
# All databases of the account and region share this group, so its retention time is kept.
shared=$(aws logs describe-log-groups --log-group-name-prefix RDSOSMetrics --output text \
    --query "logGroups[?logGroupName=='RDSOSMetrics'].retentionInDays")
case $shared in '' | None) groups+=(RDSOSMetrics) ;; esac
for group in "${groups[@]}"; do
    aws logs put-retention-policy --log-group-name "$group" --retention-in-days "${days:-30}" ||
        echo "log group $group: its retention time was not set; if it does not exist yet, the next release sets it"
done

step "builds of functions and worker"
service=$(aws ecs list-services --cluster "$cluster" --query 'serviceArns[0]' --output text)
task=$(aws ecs describe-services --cluster "$cluster" --services "$service" --query 'services[0].taskDefinition' --output text)
image=$(aws ecs describe-task-definition --task-definition "$task" --query 'taskDefinition.containerDefinitions[0].image' --output text)
[ "${image##*:}" = "$tag" ] || fail "worker: it has the image $image instead of $tag; see docs/runbook.md, \"No worker\""
for name in Start Signal Query Events Admin Webhook Web Migrate; do
    function=$(aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id "${name}Function" \
        --query StackResourceDetail.PhysicalResourceId --output text)
    release=$(aws lambda get-function-configuration --function-name "$function" --qualifier live --query Environment.Variables.RELEASE --output text)
    [ "$release" = "$tag" ] || fail "function $name: it is of release $release instead of $tag; repeat the release"
done
step "done: functions and worker are of $tag"
