//! Returns of delivered units, and the changes of state that they allow.

use crate::{AuditEventType, status::string_enum};

string_enum! {
    /// The state of a return; the column `returns.state`.
    ReturnState {
        /// The shop has not decided yet.
        Requested => "requested",
        /// The customer may send the units back.
        Approved => "approved",
        Rejected => "rejected",
        /// The units are back, and their refund has no result yet.
        Received => "received",
        Closed => "closed",
        Cancelled => "cancelled",
    }
}

string_enum! {
    /// A request that changes an existing return; the last segment of its path.
    ReturnStep {
        Approve => "approve",
        Reject => "reject",
        Receive => "receive",
        Cancel => "cancel",
    }
}

impl ReturnState {
    /// Returns whether a request can change a return in this state.
    pub fn allows(self, step: ReturnStep) -> bool {
        match step {
            ReturnStep::Approve | ReturnStep::Reject => self == Self::Requested,
            ReturnStep::Receive => self == Self::Approved,
            ReturnStep::Cancel => matches!(self, Self::Requested | Self::Approved),
        }
    }

    /// Returns whether the return has the effect of this request already.
    pub fn has_effect_of(self, step: ReturnStep) -> bool {
        match step {
            ReturnStep::Approve => matches!(self, Self::Approved | Self::Received | Self::Closed),
            ReturnStep::Reject => self == Self::Rejected,
            ReturnStep::Receive => matches!(self, Self::Received | Self::Closed),
            ReturnStep::Cancel => self == Self::Cancelled,
        }
    }
}

impl ReturnStep {
    /// Returns the state after the request.
    pub const fn state(self) -> ReturnState {
        match self {
            Self::Approve => ReturnState::Approved,
            Self::Reject => ReturnState::Rejected,
            Self::Receive => ReturnState::Received,
            Self::Cancel => ReturnState::Cancelled,
        }
    }

    /// Returns the audit event about the request.
    pub const fn event(self) -> AuditEventType {
        match self {
            Self::Approve => AuditEventType::ReturnApproved,
            Self::Reject => AuditEventType::ReturnRejected,
            Self::Receive => AuditEventType::ReturnReceived,
            Self::Cancel => AuditEventType::ReturnCancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_leads_to_a_state_with_its_effect() {
        for step in ReturnStep::ALL {
            assert!(step.state().has_effect_of(*step), "{step}");
            assert!(!step.state().allows(*step), "{step}");
        }
    }

    #[test]
    fn ended_return_allows_nothing() {
        for state in [
            ReturnState::Rejected,
            ReturnState::Closed,
            ReturnState::Cancelled,
        ] {
            for step in ReturnStep::ALL {
                assert!(!state.allows(*step), "{state} {step}");
            }
        }
    }

    #[test]
    fn received_units_cannot_be_cancelled() {
        assert!(ReturnState::Approved.allows(ReturnStep::Cancel));
        assert!(!ReturnState::Received.allows(ReturnStep::Cancel));
        assert!(!ReturnState::Requested.allows(ReturnStep::Receive));
    }
}
