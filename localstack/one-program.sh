#!/usr/bin/env bash
# Writes a copy of template.yaml and infrastructure/ into a folder. The copy differs only in the code of the functions,
# which is one program that contains all of them:
#
#   localstack/one-program.sh target/debug/function-under-test FOLDER
set -euo pipefail
[ $# = 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
program=$(realpath "$1")
folder=$2

mkdir "$folder/code"
# Debug information is the largest part of the file.
strip -o "$folder/code/function" "$program"
# The program contains all functions; the handler's name selects one.
printf '#!/bin/sh\nexec "$LAMBDA_TASK_ROOT/function" "$_HANDLER"\n' >"$folder/code/bootstrap"
chmod +x "$folder/code/bootstrap"
python3 - "$folder" <<'PYTHON'
import sys, zipfile
folder = sys.argv[1]
with zipfile.ZipFile(f"{folder}/code.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    for name in ("bootstrap", "function"):
        archive.write(f"{folder}/code/{name}", name)
PYTHON
rm -r "$folder/code"
sed "s|^      CodeUri: functions/\(.*\)|      CodeUri: $folder/code.zip\n      Handler: \1|" "$root/template.yaml" \
    >"$folder/template.yaml"
cp -r "$root/infrastructure" "$folder/infrastructure"
