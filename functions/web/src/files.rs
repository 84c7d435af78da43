//! The served files. Third-party programs are under `assets/`, where `fetch.sh` names their origin.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::browser_policy;

/// The caching rule of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CachePolicy {
    /// Cached permanently: the file's version is in its path.
    Immutable(&'static str),
    /// A browser checks with every use whether the file has changed.
    Revalidated,
}

/// A file that the function serves.
#[derive(Debug)]
pub(crate) struct File {
    /// The path below the folder of the file's route.
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

    const fn own(path: &'static str, content_type: &'static str, text: &'static str) -> Self {
        Self {
            path,
            content_type,
            text,
            cache: CachePolicy::Revalidated,
            policy: browser_policy::STRICT,
        }
    }

    const fn third_party(
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

    /// Returns the hash of the content, for its entity tag.
    pub(crate) fn content_hash(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.text)[..12])
    }
}

pub(crate) fn find_file(files: &'static [File], path: &str) -> Option<&'static File> {
    files.iter().find(|file| file.path == path)
}

pub(crate) static OPEN_API: File = File::own(
    "",
    "application/json",
    include_str!("../../../docs/openapi.json"),
);

pub(crate) static SWAGGER_UI: File = File::page(
    include_str!("../pages/docs.html"),
    browser_policy::DATA_IMAGES,
);
pub(crate) static SWAGGER_UI_FILES: &[File] = &[
    File::own("begin.js", SCRIPT, include_str!("../pages/docs.js")),
    File::third_party(
        "swagger-ui-5.35.0",
        "swagger-ui-5.35.0/swagger-ui-bundle.js",
        SCRIPT,
        include_str!("../assets/swagger-ui-5.35.0/swagger-ui-bundle.js"),
    ),
    File::third_party(
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
    File::own("begin.js", SCRIPT, include_str!("../pages/redoc.js")),
    File::own("page.css", STYLE, include_str!("../pages/redoc.css")),
    File::third_party(
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
    File::own("icon.svg", PICTURE, include_str!("../console/icon.svg")),
    File::own("style.css", STYLE, include_str!("../console/style.css")),
    File::own("main.js", SCRIPT, include_str!("../console/main.js")),
    File::own("api.js", SCRIPT, include_str!("../console/api.js")),
    File::own("actions.js", SCRIPT, include_str!("../console/actions.js")),
    File::own("list.js", SCRIPT, include_str!("../console/list.js")),
    File::own("order.js", SCRIPT, include_str!("../console/order.js")),
    File::own("parts.js", SCRIPT, include_str!("../console/parts.js")),
    File::own(
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
    fn third_party_files_match_their_checksums() {
        let sums = fs::read_to_string(folder("assets/SHA256SUMS")).unwrap();
        let mut listed = BTreeSet::new();
        for line in sums.lines() {
            let (sum, path) = line.split_once("  ").unwrap();
            let bytes = fs::read(folder("assets").join(path)).unwrap();
            assert_eq!(
                HEXLOWER.encode(&Sha256::digest(bytes)),
                sum,
                "{path} differs from the file that assets/fetch.sh downloaded"
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
                assert!(listed.contains(&path), "{path} has no checksum");
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
    fn pages_reference_only_served_files() {
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
