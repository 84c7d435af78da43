#!/usr/bin/env bash
# Tests that orders in flight survive an upgrade: the worker of the last release begins them, and the current one
# finishes them. If the workflows have no new patch, also tests the way back.
set -euo pipefail
cd "$(dirname "$0")/../.."

base=$(cat tests/upgrade/base)
if ! git cat-file -e "$base^{commit}" 2>/dev/null; then
    if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
        echo "NOT TESTED: this shallow clone does not have commit $base; run \`git fetch --unshallow\`" >&2
        exit 0
    fi
    echo "tests/upgrade/base: commit $base does not exist; correct the file" >&2
    exit 1
fi

# Third-party crates are shared with the current build. The programs are in another folder, because a test of the
# current build must not find an old program.
build=${CARGO_TARGET_DIR:-$PWD/target}
programs=$build/upgrade/programs
source=$build/upgrade/$base
if [ ! -e "$source" ]; then
    rm -rf "$build/upgrade"
    mkdir -p "$source.unfinished"
    git archive "$base" | tar -x -C "$source.unfinished"
    # Another version, because Cargo would otherwise take the crates of both releases for the same ones, and link the old
    # ones into the current programs.
    sed -i '/^\[workspace.package\]/,/^$/s/^version = .*/version = "0.0.0-last-release"/' "$source.unfinished/Cargo.toml"
    cargo update --quiet --workspace --manifest-path "$source.unfinished/Cargo.toml"
    mv "$source.unfinished" "$source"
fi
echo "building the worker of ${base:0:12}"
# Examples enable the features of the tests, so that Cargo does not compile third-party crates again.
CARGO_BUILD_BUILD_DIR=$build CARGO_TARGET_DIR=$programs cargo build --locked --manifest-path "$source/Cargo.toml" \
    --workspace --bin worker-under-test --examples
old=$programs/debug/worker-under-test

run_test() {
    cargo test --workspace --locked --test system "upgrade::$1" -- --exact
}

# The tests mostly wait, so they run at the same time.
tests=()
trap 'kill "${tests[@]}" 2>/dev/null || true' EXIT
echo "orders of ${base:0:12} finish on the current worker"
FIRST_WORKER=$old run_test orders_survive_change_of_worker &
tests+=($!)
echo "the worker of ${base:0:12} completes new orders on the current schema"
SECOND_WORKER=$old run_test new_order_completes_on_second_worker &
tests+=($!)
if git diff --quiet "$base" -- crates/workflows/src/patches.rs; then
    echo "orders of the current worker finish on ${base:0:12}"
    SECOND_WORKER=$old run_test orders_survive_change_of_worker &
    tests+=($!)
else
    echo "crates/workflows/src/patches.rs differs from ${base:0:12}: orders in flight cannot go back to its worker"
fi
for test in "${tests[@]}"; do
    wait "$test"
done
