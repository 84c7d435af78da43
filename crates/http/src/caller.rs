//! Who calls, once that is known.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::Scope;
use domain::CustomerId;

/// A caller that was let in: what it is called, what it may do, and whose orders it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Two callers never share one.
    name: String,
    scopes: Vec<Scope>,
    customer: Option<CustomerId>,
}

const ANONYMOUS: &str = "anonymous";

impl Caller {
    /// With `API_AUTH=none` all callers are one, and may do everything.
    pub fn anonymous() -> Self {
        Self::new(ANONYMOUS.to_owned(), Scope::ALL.to_vec(), None)
    }

    pub(crate) fn new(name: String, scopes: Vec<Scope>, customer: Option<CustomerId>) -> Self {
        Self {
            name,
            scopes,
            customer,
        }
    }

    /// A caller like anonymous that others tell apart.
    #[cfg(test)]
    pub(crate) fn with_name(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::anonymous()
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    pub(crate) fn has_scope(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The customer whose orders, and no others, there are for this caller.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.customer.as_ref()
    }

    /// What the log calls it: a token's subject may be an e-mail address, so it is told by its hash.
    pub(crate) fn log_name(&self) -> String {
        match self.name.strip_prefix("token:") {
            Some(subject) => format!("token:{}", HEXLOWER.encode(&Sha256::digest(subject)[..4])),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_not_in_the_log() {
        let caller = Caller::with_name("token:jane@example.com");
        assert!(!caller.log_name().contains("jane"), "{}", caller.log_name());
        assert_eq!(Caller::with_name("key:shop").log_name(), "key:shop");
    }
}
