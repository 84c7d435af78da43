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
    /// The name in logs and in audit logs, which identifies no person.
    actor: String,
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
            actor: name.clone(),
            name,
            scopes,
            customer,
        }
    }

    /// Returns the caller of a token. Its subject can be an e-mail address, so logs have a hash of it.
    pub(crate) fn of_token(
        issuer: &str,
        subject: &str,
        scopes: Vec<Scope>,
        customer: Option<CustomerId>,
    ) -> Self {
        let hash = Sha256::digest(format!("{issuer}\n{subject}"));
        Self {
            actor: format!("token:{}", HEXLOWER.encode(&hash[..16])),
            ..Self::new(format!("token:{subject}"), scopes, customer)
        }
    }

    /// Returns a caller with every scope and this name.
    #[cfg(test)]
    pub(crate) fn with_name(name: &str) -> Self {
        Self::new(name.to_owned(), Scope::ALL.to_vec(), None)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the caller's name for logs and audit logs, which identifies no person.
    pub fn actor(&self) -> &str {
        &self.actor
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_of_token_has_no_subject() {
        let caller = Caller::of_token("https://issuer", "jane@example.com", Vec::new(), None);
        let hash = caller.actor().strip_prefix("token:").unwrap();
        assert_eq!(hash.len(), 32, "{hash}");
        let other = Caller::of_token("https://other", "jane@example.com", Vec::new(), None);
        assert_ne!(caller.actor(), other.actor());
        assert_eq!(Caller::with_name("key:shop").actor(), "key:shop");
        assert_eq!(Caller::anonymous().actor(), "anonymous");
    }
}
