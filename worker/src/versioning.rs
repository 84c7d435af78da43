//! The build id of the worker. All builds may process all orders, because every build replays the
//! orders of the others. With a deployment name, Temporal routes orders by build (Worker
//! Versioning), as its Worker Controller for Kubernetes requires.

use temporalio_common::worker::{
    VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion, build_id_from_current_exe,
};

use settings::{
    Environment, SettingError, TEMPORAL_DEPLOYMENT_NAME, TEMPORAL_WORKER_BUILD_ID,
    WORKER_VERSIONING_BEHAVIOR,
};

#[derive(Debug, Clone)]
pub struct Versioning {
    /// `None`: the build id is sent with every task and has no effect on routing.
    deployment: Option<(String, VersioningBehavior)>,
    /// `None`: the id is the hash of the program file.
    build_id: Option<String>,
}

impl Versioning {
    pub(crate) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        let behavior = environment.choose(
            &WORKER_VERSIONING_BEHAVIOR,
            &[
                ("pinned", VersioningBehavior::Pinned),
                ("auto-upgrade", VersioningBehavior::AutoUpgrade),
            ],
        )?;
        let name = environment.get(&TEMPORAL_DEPLOYMENT_NAME);
        // Temporal writes a version as NAME.BUILD or NAME:BUILD.
        if let Some(name) = name.filter(|name| name.contains(['.', ':']) || name.starts_with("__"))
        {
            return Err(TEMPORAL_DEPLOYMENT_NAME.reject(name, "not a valid name"));
        }
        Ok(Self {
            deployment: name.map(|name| (name.to_owned(), behavior)),
            build_id: environment
                .get(&TEMPORAL_WORKER_BUILD_ID)
                .map(ToOwned::to_owned),
        })
    }

    pub(crate) fn deployment_options(&self) -> WorkerDeploymentOptions {
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
        Versioning::from_settings(&Environment::from_pairs(settings.iter().copied()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_build_decides_something_only_in_a_deployment_with_a_name() {
        let plain = read(&[("TEMPORAL_WORKER_BUILD_ID", "abc")])
            .unwrap()
            .deployment_options();
        assert!(!plain.use_worker_versioning && plain.default_versioning_behavior.is_none());
        assert_eq!(plain.version.build_id, "abc");
        let named = read(&[
            ("TEMPORAL_DEPLOYMENT_NAME", "orders"),
            ("TEMPORAL_WORKER_BUILD_ID", "abc"),
        ])
        .unwrap()
        .deployment_options();
        assert!(named.use_worker_versioning);
        assert_eq!(
            named.default_versioning_behavior,
            Some(VersioningBehavior::Pinned)
        );
        assert!(
            read(&[("TEMPORAL_DEPLOYMENT_NAME", "or.ders")])
                .unwrap_err()
                .contains("not a valid name")
        );
        assert!(
            read(&[("WORKER_VERSIONING_BEHAVIOR", "latest")])
                .unwrap_err()
                .contains("allowed: pinned, auto-upgrade")
        );
    }
}
