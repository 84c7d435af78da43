//! The activity for returns.

use temporalio_macros::activity_definitions;

use crate::ReturnInput;
use contract::ReturnDecision;

/// Activities for returns, on the orders' task queue.
pub struct ReturnActivities;

#[activity_definitions]
impl ReturnActivities {
    /// Makes a change of a return, once: the row, its audit events, and at its receipt the reserved money
    /// of the refund and the stock.
    #[activity(name = "ChangeReturn")]
    pub fn change_return(change: ReturnInput) -> ReturnDecision {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use return_activities::ChangeReturn;
