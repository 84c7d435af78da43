//! What a caller must be allowed, route by route: the second column of the route table.

use std::fmt;

use crate::{EventsOperation, Operation, QueryOperation, SignalOperation, StartOperation};

/// What a caller may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading orders.
    Read,
    /// What a customer does to an order.
    Write,
    /// What operators, payment providers and carriers do to one.
    Operate,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Operate];

    /// Its name in keys and tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "orders:read",
            Self::Write => "orders:write",
            Self::Operate => "orders:operate",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, known or not.
    Public,
    /// Who has this scope.
    Requires(Scope),
}

impl Operation {
    /// Who may do it. There is no default: a new operation says so here, or does not compile.
    pub const fn access(self) -> Access {
        match self {
            Self::Start(StartOperation::Create | StartOperation::Start)
            | Self::Signal(SignalOperation::Cancel | SignalOperation::UpdateAddress) => {
                Access::Requires(Scope::Write)
            }
            Self::Signal(
                SignalOperation::Approve
                | SignalOperation::Reject
                | SignalOperation::CancelPayment
                | SignalOperation::ConfirmPayment
                | SignalOperation::ConfirmDelivery,
            ) => Access::Requires(Scope::Operate),
            Self::Query(
                QueryOperation::Order
                | QueryOperation::Status
                | QueryOperation::EstimatedDelivery
                | QueryOperation::Result,
            )
            | Self::Events(EventsOperation::Orders | EventsOperation::AuditLog) => {
                Access::Requires(Scope::Read)
            }
            // The pages hold nothing: what they show, they ask for with the credentials of who looks.
            // A notification is let in by its signature alone.
            Self::Query(QueryOperation::Health) | Self::Web(_) | Self::Webhook => Access::Public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("orders:*"), None);
    }
}
