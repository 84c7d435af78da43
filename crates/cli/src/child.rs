//! Programs that a command runs in place of itself, such as psql.

use std::process::{ExitCode, ExitStatus};

/// Returns a child's exit code as our own. A child that a signal ended has none; that is a failure.
pub(crate) fn exit_code_of(status: ExitStatus) -> ExitCode {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}
