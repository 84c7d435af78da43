//! All that is served. The programs of others are under `assets/`, which says where they come from.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::browser_policy;

/// How long a browser may keep a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CachePolicy {
    /// It has its version in its path.
    Immutable(&'static str),
    /// It asks each time whether the file has changed.
    Revalidated,
}

#[derive(Debug)]
pub(crate) struct File {
    /// Below the folder of its route.
    path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
    pub(crate) cache: CachePolicy,
    pub(crate) policy: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

impl File {
    const fn page(text: &'static str, policy: &'static str) -> Self {
        Self {
            path: "",
            content_type: HTML,
            text,
            cache: CachePolicy::Revalidated,
            policy,
        }
    }

    const fn ours(path: &'static str, content_type: &'static str, text: &'static str) -> Self {
        Self {
            path,
            content_type,
            text,
            cache: CachePolicy::Revalidated,
            policy: browser_policy::STRICT,
        }
    }

    const fn theirs(
        version: &'static str,
        path: &'static str,
        content_type: &'static str,
        text: &'static str,
    ) -> Self {
        Self {
            path,
            content_type,
            text,
            cache: CachePolicy::Immutable(version),
            policy: browser_policy::STRICT,
        }
    }

    /// An entity tag of the content.
    pub(crate) fn content_hash(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.text)[..12])
    }
}

pub(crate) fn find_file(files: &'static [File], path: &str) -> Option<&'static File> {
    files.iter().find(|file| file.path == path)
}

pub(crate) static OPEN_API: File = File::ours(
    "",
    "application/json",
    include_str!("../../../docs/openapi.json"),
);

pub(crate) static SWAGGER_UI: File = File::page(
    include_str!("../pages/docs.html"),
    browser_policy::DATA_IMAGES,
);
pub(crate) static SWAGGER_UI_FILES: &[File] = &[
    File::ours("begin.js", SCRIPT, include_str!("../pages/docs.js")),
    File::theirs(
        "swagger-ui-5.35.0",
        "swagger-ui-5.35.0/swagger-ui-bundle.js",
        SCRIPT,
        include_str!("../assets/swagger-ui-5.35.0/swagger-ui-bundle.js"),
    ),
    File::theirs(
        "swagger-ui-5.35.0",
        "swagger-ui-5.35.0/swagger-ui.css",
        STYLE,
        include_str!("../assets/swagger-ui-5.35.0/swagger-ui.css"),
    ),
];

pub(crate) static REDOC: File = File::page(
    include_str!("../pages/redoc.html"),
    browser_policy::INLINE_STYLES,
);
pub(crate) static REDOC_FILES: &[File] = &[
    File::ours("begin.js", SCRIPT, include_str!("../pages/redoc.js")),
    File::ours("page.css", STYLE, include_str!("../pages/redoc.css")),
    File::theirs(
        "redoc-2.5.4",
        "redoc-2.5.4/redoc.standalone.js",
        SCRIPT,
        include_str!("../assets/redoc-2.5.4/redoc.standalone.js"),
    ),
];

pub(crate) static CONSOLE: File = File::page(
    include_str!("../console/index.html"),
    browser_policy::STRICT,
);
pub(crate) static CONSOLE_FILES: &[File] = &[
    File::ours("icon.svg", PICTURE, include_str!("../console/icon.svg")),
    File::ours("style.css", STYLE, include_str!("../console/style.css")),
    File::ours("main.js", SCRIPT, include_str!("../console/main.js")),
    File::ours("api.js", SCRIPT, include_str!("../console/api.js")),
    File::ours("actions.js", SCRIPT, include_str!("../console/actions.js")),
    File::ours("list.js", SCRIPT, include_str!("../console/list.js")),
    File::ours("order.js", SCRIPT, include_str!("../console/order.js")),
    File::ours("parts.js", SCRIPT, include_str!("../console/parts.js")),
    File::ours(
        "progress.js",
        SCRIPT,
        include_str!("../console/progress.js"),
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use data_encoding::HEXLOWER;

    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    #[test]
    fn the_programs_of_others_are_those_that_the_script_fetched() {
        let sums = fs::read_to_string(folder("assets/SHA256SUMS")).unwrap();
        let mut listed = BTreeSet::new();
        for line in sums.lines() {
            let (sum, path) = line.split_once("  ").unwrap();
            let bytes = fs::read(folder("assets").join(path)).unwrap();
            assert_eq!(
                HEXLOWER.encode(&Sha256::digest(bytes)),
                sum,
                "{path} is not what assets/fetch.sh fetched"
            );
            listed.insert(path.to_owned());
        }
        for kind in fs::read_dir(folder("assets"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
        {
            for file in fs::read_dir(&kind)
                .unwrap()
                .map(|entry| entry.unwrap().path())
            {
                let path = file
                    .strip_prefix(folder("assets"))
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                assert!(listed.contains(&path), "{path} is in no checksum");
            }
        }
        for file in SWAGGER_UI_FILES.iter().chain(REDOC_FILES) {
            assert_eq!(
                listed.contains(file.path),
                matches!(file.cache, CachePolicy::Immutable(_)),
                "{}",
                file.path
            );
        }
    }

    #[test]
    fn every_file_of_the_operators_page_is_served_and_each_page_names_only_files_that_are() {
        let there: BTreeSet<_> = fs::read_dir(folder("console"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served = CONSOLE_FILES
            .iter()
            .map(|file| file.path.to_owned())
            .chain(["index.html".to_owned()]);
        assert_eq!(served.collect::<BTreeSet<_>>(), there);
        for (page, at, files) in [
            (&CONSOLE, "console/", CONSOLE_FILES),
            (&SWAGGER_UI, "docs/", SWAGGER_UI_FILES),
            (&REDOC, "redoc/", REDOC_FILES),
        ] {
            let named: Vec<_> = ["src=\"", "href=\""]
                .iter()
                .flat_map(|attribute| page.text.split(attribute).skip(1))
                .collect();
            for rest in named {
                let name = rest.split('"').next().unwrap();
                let page_of_ours =
                    ["docs", "redoc", "openapi.json", "#"].contains(&name) || name.starts_with('#');
                let known = name
                    .strip_prefix(at)
                    .is_some_and(|path| find_file(files, path).is_some());
                let icon = name
                    .strip_prefix("console/")
                    .is_some_and(|path| find_file(CONSOLE_FILES, path).is_some());
                assert!(page_of_ours || known || icon, "{name} in {at}");
            }
            assert!(
                !page.text.contains("<style")
                    && !page.text.contains(" style=")
                    && !page.text.contains("://"),
                "{at}"
            );
            assert!(
                page.text
                    .match_indices("<script")
                    .all(|(index, _)| page.text[index..]
                        .split('>')
                        .next()
                        .unwrap()
                        .contains("src=")),
                "{at}"
            );
        }
    }
}
