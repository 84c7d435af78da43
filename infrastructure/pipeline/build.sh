#!/usr/bin/env bash
# Builds both images and the functions of both stages once, for the jobs that deploy them. deploy.yml calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
sam=$(tools/venv.sh sam)
cargo_lambda=$(tools/venv.sh cargo-lambda)
export CI=true PATH="$sam:$cargo_lambda:$PATH"
rustup toolchain install
rustup target add aarch64-unknown-linux-gnu
infrastructure/release.sh dev --build
# The image of dev becomes that of prod when prod is deployed.
infrastructure/release.sh prod --build
# An archive, because an artifact of GitHub loses the permission to execute.
tar --create --file .aws-sam/build.tar .aws-sam/dev .aws-sam/prod
