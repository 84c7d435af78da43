#!/usr/bin/env bash
# Writes a copy of template.yaml and infrastructure/ into a folder. The copy differs only in the code of the functions,
# which are zips of programs that are built already:
#
#   localstack/package.sh target/debug/function-under-test FOLDER     one program that contains all functions
#   localstack/package.sh target/lambda FOLDER                        the output of `cargo lambda build` or `cargo build`
set -euo pipefail
[ $# = 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
functions=$(realpath "$1")
folder=$2

# Writes FOLDER/code/NAME.zip with a `bootstrap` and its program. Equal programs have equal zips, so that a repeated
# deployment changes nothing.
zip_program() {
    local name=$1 program=$2
    mkdir "$folder/code/$name"
    # Debug information is the largest part of the file.
    strip -o "$folder/code/$name/function" "$program"
    # A program that contains all functions selects one by its first argument, the handler.
    printf '#!/bin/sh\nexec "$LAMBDA_TASK_ROOT/function" "$_HANDLER"\n' >"$folder/code/$name/bootstrap"
    python3 - "$folder/code/$name" <<'PYTHON'
import sys, zipfile
folder = sys.argv[1]
with zipfile.ZipFile(f"{folder}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    for name in ("bootstrap", "function"):
        member = zipfile.ZipInfo(name)
        member.external_attr = 0o755 << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        with open(f"{folder}/{name}", "rb") as content:
            archive.writestr(member, content.read(), compresslevel=1)
PYTHON
    rm -r "$folder/code/$name"
}

rm -rf "$folder/code" "$folder/infrastructure"
mkdir "$folder/code"
if [ -f "$functions" ]; then
    zip_program all "$functions"
    zip=all
else
    python3 "$here/functions.py" "$functions" >"$folder/code/programs"
    while read -r name program; do zip_program "$name" "$program"; done <"$folder/code/programs"
    rm "$folder/code/programs"
    zip='\1'
fi
sed "s|^      CodeUri: functions/\(.*\)|      CodeUri: $folder/code/$zip.zip\n      Handler: \1|" "$root/template.yaml" \
    >"$folder/template.yaml"
cp -r "$root/infrastructure" "$folder/infrastructure"
