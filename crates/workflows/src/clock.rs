//! Conversion of workflow time.

use std::time::SystemTime;

use chrono::{DateTime, SubsecRound, Utc};

/// Returns the time of the current workflow task, which is the same on each replay. It is truncated
/// to microseconds, the precision of the database, so that workflow and database return equal
/// times.
pub(crate) fn utc_from_workflow_time(workflow_time: Option<SystemTime>) -> DateTime<Utc> {
    workflow_time
        .map_or(DateTime::UNIX_EPOCH, DateTime::from)
        .trunc_subsecs(6)
}
