//! Which build of the worker gets which orders. All the same, as long as every build replays what others have begun;
//! with a deployment's name Temporal routes by build (Worker Versioning), as its Worker Controller for Kubernetes wants it.

use temporalio_common::worker::{
    VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion, build_id_from_current_exe,
};

use domain::SettingError;

const NAME: &str = "TEMPORAL_DEPLOYMENT_NAME";
const BUILD_ID: &str = "TEMPORAL_WORKER_BUILD_ID";
const BEHAVIOR: &str = "WORKER_VERSIONING_BEHAVIOR";

#[derive(Debug, Clone)]
pub struct Versioning {
    /// `None`: this build is told with every task, and decides nothing.
    deployment: Option<(String, VersioningBehavior)>,
    /// `None`: that of the program's own bytes.
    build_id: Option<String>,
}

impl Versioning {
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let refused = |name: &str, value: &str, allowed: &str| SettingError {
            name: name.to_owned(),
            value: value.to_owned(),
            allowed: allowed.to_owned(),
        };
        let behavior = match get(BEHAVIOR).as_deref() {
            None | Some("pinned") => VersioningBehavior::Pinned,
            Some("auto-upgrade") => VersioningBehavior::AutoUpgrade,
            Some(other) => return Err(refused(BEHAVIOR, other, "must be pinned or auto-upgrade")),
        };
        let name = get(NAME);
        // Temporal writes a version as NAME.BUILD or NAME:BUILD.
        if let Some(name) = name
            .as_deref()
            .filter(|name| name.contains(['.', ':']) || name.starts_with("__"))
        {
            return Err(refused(
                NAME,
                name,
                "must have no dot and no colon, and not begin with __",
            ));
        }
        Ok(Self {
            deployment: name.map(|name| (name, behavior)),
            build_id: get(BUILD_ID),
        })
    }

    pub(crate) fn options(&self) -> WorkerDeploymentOptions {
        let build_id = self
            .build_id
            .clone()
            .unwrap_or_else(|| build_id_from_current_exe().to_owned());
        let version = |name: &str| {
            WorkerDeploymentVersion::builder()
                .deployment_name(name)
                .build_id(build_id)
                .build()
        };
        match &self.deployment {
            None => WorkerDeploymentOptions::new(version("")).build(),
            Some((name, behavior)) => WorkerDeploymentOptions::new(version(name))
                .use_worker_versioning(true)
                .default_versioning_behavior(*behavior)
                .build(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Versioning, String> {
        let get = |name: &str| {
            settings
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Versioning::read(get).map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_build_decides_something_only_in_a_deployment_with_a_name() {
        let plain = read(&[(BUILD_ID, "abc")]).unwrap().options();
        assert!(!plain.use_worker_versioning && plain.default_versioning_behavior.is_none());
        assert_eq!(plain.version.build_id, "abc");
        let named = read(&[(NAME, "orders"), (BUILD_ID, "abc")])
            .unwrap()
            .options();
        assert!(named.use_worker_versioning);
        assert_eq!(
            named.default_versioning_behavior,
            Some(VersioningBehavior::Pinned)
        );
        assert!(
            read(&[(NAME, "or.ders")])
                .unwrap_err()
                .contains("must have no dot")
        );
        assert!(
            read(&[(BEHAVIOR, "latest")])
                .unwrap_err()
                .contains("must be pinned or auto-upgrade")
        );
    }
}
