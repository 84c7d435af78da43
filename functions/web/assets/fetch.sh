#!/usr/bin/env bash
# Renews the checked-in files of Swagger UI and ReDoc from npm, by the versions of package.json and the hashes of
# package-lock.json. After changing a version: `npm install --package-lock-only` here, then this, then
# src/files.rs, which names each folder. SHA256SUMS is what the tests compare with, as they have no network.
set -euo pipefail
cd "$(dirname "$0")"
trap 'rm -rf node_modules' EXIT
npm ci --silent

rm -rf swagger-ui-* redoc-*
copy() {
    local package=$1 name=$2 from=$3
    shift 3
    local version
    version=$(node -p "require('./node_modules/$package/package.json').version")
    local folder=$name-$version
    mkdir "$folder"
    cp "node_modules/$package/LICENSE" "$folder/"
    for file in "$@"; do
        # Without the line that names a source map: nobody serves it, and a browser's tools would ask for it.
        sed '/^\/[/*]# sourceMappingURL=.*$/d' "node_modules/$package/$from$file" >"$folder/$file"
    done
}
copy swagger-ui-dist swagger-ui "" swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css NOTICE
copy redoc redoc bundles/ redoc.standalone.js redoc.standalone.js.LICENSE.txt
# ReDoc's own mark would come from its maker's network: an empty picture in its place. The link to them stays.
nothing='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='
sed -i "s#https://cdn.redoc.ly/redoc/logo-mini.svg#$nothing#" redoc-*/redoc.standalone.js
! grep -q 'cdn\.redoc' redoc-*/redoc.standalone.js
sha256sum swagger-ui-*/* redoc-*/* >SHA256SUMS
