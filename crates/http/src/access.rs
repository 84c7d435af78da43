//! Access rules: the scope that each route requires.

use std::fmt;

use crate::{
    AdminOperation, EventsOperation, Operation, QueryOperation, ReturnOperation, SignalOperation,
    StartOperation,
};

/// A permission of a caller.
///
/// # Examples
///
/// ```
/// use orderflow_http::Scope;
///
/// assert_eq!(Scope::parse("orders:read"), Some(Scope::Read));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Permission to read orders and audit logs.
    Read,
    /// Permission to start, change and cancel orders, as a customer does.
    Write,
    /// Permission of a customer's caller to set prices, the currency and the profile of its orders. A
    /// shop's caller needs none.
    Price,
    /// Permission to review orders and returns, to confirm payments and deliveries, and to read the work list and statistics.
    Operate,
    /// Permission to refund orders.
    Refund,
    /// Permission to set and adjust the stock.
    StockWrite,
    /// Permission to manage the endpoints that receive messages, and to read their messages' outcomes.
    EndpointsWrite,
}

impl Scope {
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Write,
        Self::Price,
        Self::Operate,
        Self::Refund,
        Self::StockWrite,
        Self::EndpointsWrite,
    ];

    /// Returns the scope's name in API keys and tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "orders:read",
            Self::Write => "orders:write",
            Self::Price => "orders:price",
            Self::Operate => "orders:operate",
            Self::Refund => "orders:refund",
            Self::StockWrite => "stock:write",
            Self::EndpointsWrite => "endpoints:write",
        }
    }

    /// Returns the scope with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The access rule of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Callers need no credential.
    Public,
    /// Callers need this scope.
    Requires(Scope),
}

impl Operation {
    /// Returns the operation's access rule.
    ///
    /// The match has no default arm, so a new operation without a rule does not compile.
    pub const fn access(self) -> Access {
        match self {
            Self::Start(StartOperation::Create | StartOperation::Start)
            | Self::Signal(
                SignalOperation::Cancel
                | SignalOperation::UpdateAddress
                | SignalOperation::Update
                | SignalOperation::UpdateItems,
            )
            | Self::Return(ReturnOperation::Request | ReturnOperation::Cancel) => {
                Access::Requires(Scope::Write)
            }
            Self::Signal(
                SignalOperation::Approve
                | SignalOperation::Reject
                | SignalOperation::CancelPayment
                | SignalOperation::ConfirmPayment
                | SignalOperation::ConfirmDelivery
                | SignalOperation::Hold
                | SignalOperation::Release,
            )
            | Self::Return(ReturnOperation::Approve | ReturnOperation::Reject)
            | Self::Events(EventsOperation::Attention | EventsOperation::Stats) => {
                Access::Requires(Scope::Operate)
            }
            Self::Query(
                QueryOperation::Order
                | QueryOperation::Status
                | QueryOperation::EstimatedDelivery
                | QueryOperation::Result
                | QueryOperation::Refunds
                | QueryOperation::Refund
                | QueryOperation::Returns
                | QueryOperation::Return,
            )
            | Self::Events(EventsOperation::Orders | EventsOperation::AuditLog)
            | Self::Admin(AdminOperation::ListStock | AdminOperation::GetStock) => {
                Access::Requires(Scope::Read)
            }
            Self::Refund | Self::Return(ReturnOperation::Receive) => {
                Access::Requires(Scope::Refund)
            }
            Self::Admin(AdminOperation::PutStock) => Access::Requires(Scope::StockWrite),
            Self::Admin(AdminOperation::Endpoint(_)) => Access::Requires(Scope::EndpointsWrite),
            // The pages contain no data: they call the API with the viewer's credentials.
            // A webhook event is authenticated by its signature alone.
            Self::Start(StartOperation::Health) | Self::Web(_) | Self::Webhook => Access::Public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_name_parses_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("orders:*"), None);
    }
}
