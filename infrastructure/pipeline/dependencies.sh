#!/usr/bin/env bash
# Checks the dependencies for known vulnerabilities, and writes them into target/sbom/orderflow.spdx.json (SPDX 2.3). The images
# contain one static program each, so this list is complete. deploy.yml calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo install --debug --locked cargo-deny@0.20.2 cargo-sbom@0.10.0
cargo deny --locked check advisories
mkdir -p target/sbom
cargo sbom --output-format spdx_json_2_3 >target/sbom/orderflow.spdx.json
