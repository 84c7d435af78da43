//! The only place that reads gRPC codes.

use std::error::Error as _;

use temporalio_client::{
    errors::{
        ClientError, WorkflowInteractionError, WorkflowQueryError, WorkflowStartError,
        WorkflowUpdateError,
    },
    tonic::{Code, Status},
};

use crate::Error;

/// An error of the SDK that may carry what the server said.
pub(crate) trait SdkError: std::fmt::Display + Send {
    fn status(&self) -> Option<&Status>;
}

impl SdkError for Status {
    fn status(&self) -> Option<&Status> {
        Some(self)
    }
}

impl SdkError for ClientError {
    fn status(&self) -> Option<&Status> {
        if let Self::Rpc(status) = self {
            Some(status)
        } else {
            None
        }
    }
}

impl SdkError for WorkflowStartError {
    fn status(&self) -> Option<&Status> {
        if let Self::Rpc(status) = self {
            Some(status)
        } else {
            None
        }
    }
}

impl SdkError for WorkflowQueryError {
    fn status(&self) -> Option<&Status> {
        if let Self::NotFound(status) | Self::Rpc(status) = self {
            Some(status)
        } else {
            None
        }
    }
}

impl SdkError for WorkflowUpdateError {
    fn status(&self) -> Option<&Status> {
        if let Self::NotFound(status) | Self::Rpc(status) = self {
            Some(status)
        } else {
            None
        }
    }
}

impl SdkError for WorkflowInteractionError {
    fn status(&self) -> Option<&Status> {
        if let Self::NotFound(status) | Self::Rpc(status) = self {
            Some(status)
        } else {
            None
        }
    }
}

/// How one call ended without a result.
#[derive(Debug)]
pub(crate) enum CallError<E> {
    /// Temporal could not be reached, twice.
    Unreachable(String),
    /// Temporal is there, but nothing came back before the deadline.
    TimedOut,
    Sdk(E),
}

impl<E: SdkError> CallError<E> {
    /// For calls in which nothing but the common errors means anything.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Unreachable(cause) => Error::Unavailable(cause),
            Self::TimedOut => Error::NoWorker,
            Self::Sdk(error) => meaning(&error),
        }
    }
}

/// Whether the connection may be what failed: a new one may do better.
pub(crate) fn is_connection_lost(error: &impl SdkError) -> bool {
    let Some(status) = error.status() else {
        return false;
    };
    match status.code() {
        Code::Unavailable | Code::Cancelled => true,
        // These two are a server's as well; a source means that it came from our transport.
        Code::Unknown | Code::Internal => status.source().is_some(),
        Code::Ok
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

pub(crate) fn meaning(error: &impl SdkError) -> Error {
    let Some(status) = error.status() else {
        return Error::Unexpected(error.to_string());
    };
    let said = || format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::NotFound => Error::NotFound,
        // The server looks for pollers before it lets a query wait.
        Code::DeadlineExceeded | Code::FailedPrecondition => Error::NoWorker,
        Code::Unavailable
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::PermissionDenied
        | Code::Unauthenticated => Error::Unavailable(said()),
        Code::Ok
        | Code::Unknown
        | Code::Internal
        | Code::InvalidArgument
        | Code::AlreadyExists
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss => Error::Unexpected(said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_new_connection_may_mend_is_lost() {
        for code in [Code::Unavailable, Code::Cancelled] {
            assert!(is_connection_lost(&Status::new(code, "")), "{code:?}");
        }
        for code in [
            Code::Unknown,
            Code::Internal,
            Code::NotFound,
            Code::DeadlineExceeded,
            Code::ResourceExhausted,
        ] {
            assert!(!is_connection_lost(&Status::new(code, "")), "{code:?}");
        }
    }
}
