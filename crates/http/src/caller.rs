//! The authenticated caller of a request.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::Scope;
use domain::CustomerId;

/// An authenticated caller: its name, its scopes, and the customer that it acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Unique per caller.
    name: String,
    scopes: Vec<Scope>,
    customer: Option<CustomerId>,
}

const ANONYMOUS: &str = "anonymous";

impl Caller {
    /// Returns the only caller with `API_AUTH=none`; it has every scope.
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

    /// Returns a caller with every scope and this name.
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

    /// Returns the caller's name for audit logs, which identifies no person.
    pub fn actor(&self) -> String {
        self.log_name()
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    pub(crate) fn has_scope(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Returns the customer to whose orders this caller is restricted.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.customer.as_ref()
    }

    /// Returns the caller's name for the log.
    ///
    /// A token's subject can be an e-mail address, so the log has a hash of it.
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
    fn token_subject_is_hashed_in_the_log() {
        let caller = Caller::with_name("token:jane@example.com");
        assert!(!caller.log_name().contains("jane"), "{}", caller.log_name());
        assert_eq!(Caller::with_name("key:shop").log_name(), "key:shop");
    }
}
