//! Workflow time as the rest of the code has it.

use std::time::SystemTime;

use chrono::{DateTime, SubsecRound, Utc};

/// The time of the current workflow task: the same on each replay. In microseconds, as the database keeps
/// it: so a time reads the same from both.
pub(crate) fn utc_from_workflow_time(workflow_time: Option<SystemTime>) -> DateTime<Utc> {
    workflow_time
        .map_or(DateTime::UNIX_EPOCH, DateTime::from)
        .trunc_subsecs(6)
}
