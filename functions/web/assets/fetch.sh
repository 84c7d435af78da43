#!/usr/bin/env bash
# Downloads Swagger UI and ReDoc from npm and replaces the files in this folder. Versions are in package.json, hashes in
# package-lock.json. To change a version:
#
#   1. Edit package.json and run `npm install --package-lock-only` in this folder.
#   2. Run this script.
#   3. Change the folder name in src/files.rs.
#
# The tests compare the files with SHA256SUMS, because they have no network.
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
        # Remove the source map's line. The map is not served, so a browser's developer tools would get a 404.
        sed '/^\/[/*]# sourceMappingURL=.*$/d' "node_modules/$package/$from$file" >"$folder/$file"
    done
}
copy swagger-ui-dist swagger-ui "" swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css NOTICE
copy redoc redoc bundles/ redoc.standalone.js redoc.standalone.js.LICENSE.txt
# An empty image replaces ReDoc's logo, which a browser would load from the vendor's CDN. The link to the vendor remains.
empty_image='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='
sed -i "s#https://cdn.redoc.ly/redoc/logo-mini.svg#$empty_image#" redoc-*/redoc.standalone.js
! grep -q 'cdn\.redoc' redoc-*/redoc.standalone.js
sha256sum swagger-ui-*/* redoc-*/* >SHA256SUMS
