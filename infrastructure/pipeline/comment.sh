#!/usr/bin/env bash
# Writes the change set of a stage into a comment of a pull request, or replaces the comment. deploy.yml calls it.
#
#   infrastructure/pipeline/comment.sh dev|prod PULL-REQUEST
set -euo pipefail
[ $# = 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
cd "$(dirname "$0")/../.."
sam=$(tools/venv.sh sam)
cargo_lambda=$(tools/venv.sh cargo-lambda)
export CI=true PATH="$sam:$cargo_lambda:$PATH"
mkdir -p .aws-sam
infrastructure/release.sh "$1" --review >.aws-sam/review.md
gh pr comment "$2" --edit-last --create-if-none --body-file .aws-sam/review.md
