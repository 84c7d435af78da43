//! CloudFormation's request to a custom resource.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requests.html>

use serde::Deserialize;

/// The physical id of the only resource. It never changes, because CloudFormation deletes a resource
/// whose id changes.
const PHYSICAL_ID: &str = "migration";

/// A request of CloudFormation. Its values are texts, whatever their types in the template.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request {
    pub request_type: String,
    /// An address at S3 that admits anyone who knows it, so it must not be logged.
    #[serde(rename = "ResponseURL")]
    pub response_url: String,
    pub stack_id: String,
    pub request_id: String,
    pub logical_resource_id: String,
    physical_resource_id: Option<String>,
    #[serde(default)]
    resource_properties: Properties,
    #[serde(default)]
    old_resource_properties: Properties,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Properties {
    /// The number of the function's version that each build publishes. It only grows.
    version: Option<String>,
}

impl Properties {
    fn number(&self) -> Option<u64> {
        self.version.as_ref()?.parse().ok()
    }
}

/// The work that a request requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Migrate,
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// The request has an unknown type.
    Reject,
}

impl Request {
    /// Decides about the request. A rollback returns to a lower version. The same version may be a
    /// repetition after a failure (`--disable-rollback`), so it migrates.
    pub fn action(&self) -> Action {
        match self.request_type.as_str() {
            "Create" => Action::Migrate,
            "Update" if self.is_rollback() => {
                Action::Nothing("a rollback keeps the schema; nothing was changed")
            }
            "Update" => Action::Migrate,
            "Delete" => Action::Nothing("a deletion keeps the schema; nothing was changed"),
            _ => Action::Reject,
        }
    }

    fn is_rollback(&self) -> bool {
        let new = self.resource_properties.number();
        let old = self.old_resource_properties.number();
        matches!((new, old), (Some(new), Some(old)) if new < old)
    }

    /// Returns the id of the resource. A response must repeat the one that CloudFormation has.
    pub fn physical_id(&self) -> &str {
        self.physical_resource_id.as_deref().unwrap_or(PHYSICAL_ID)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(kind: &str, new: Value, old: Value) -> Request {
        let event = json!({
            "RequestType": kind, "ResponseURL": "https://example.com", "StackId": "stack",
            "RequestId": "request", "LogicalResourceId": "Migration", "ResourceType": "Custom::Migration",
            "ResourceProperties": new, "OldResourceProperties": old,
        });
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn creation_and_newer_version_migrate() {
        let (one, nine, ten) = (
            json!({"Version": "1"}),
            json!({"Version": "9"}),
            json!({"Version": "10"}),
        );
        for migrates in [
            request("Create", one, json!({})),
            request("Update", ten.clone(), nine),
            request("Update", ten.clone(), ten.clone()),
            // Not comparable, so it is not a rollback.
            request("Update", ten.clone(), json!({})),
            request("Update", json!({}), ten),
        ] {
            assert_eq!(migrates.action(), Action::Migrate, "{migrates:?}");
            assert_eq!(migrates.physical_id(), "migration");
        }
    }

    #[test]
    fn rollback_and_deletion_do_nothing() {
        let (nine, ten) = (json!({"Version": "9"}), json!({"Version": "10"}));
        for nothing in [
            request("Update", nine, ten.clone()),
            request("Delete", ten, json!({})),
        ] {
            assert!(
                matches!(nothing.action(), Action::Nothing(_)),
                "{nothing:?}"
            );
        }
        assert_eq!(
            request("Rename", json!({}), json!({})).action(),
            Action::Reject
        );
    }
}
