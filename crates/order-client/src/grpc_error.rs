//! The conversion of gRPC status codes, which no other module reads.

use std::error::Error as _;

use temporalio_client::{
    errors::{
        ClientError, WorkflowGetResultError, WorkflowInteractionError, WorkflowQueryError,
        WorkflowStartError, WorkflowUpdateError, WorkflowUpdateWithStartError,
    },
    tonic::{Code, Status},
};

use crate::Error;

/// An error of the SDK that may contain a gRPC status.
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

impl SdkError for WorkflowGetResultError {
    fn status(&self) -> Option<&Status> {
        if let Self::NotFound(status) | Self::Rpc(status) = self {
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

impl SdkError for WorkflowUpdateWithStartError {
    fn status(&self) -> Option<&Status> {
        if let Self::Start(error) = self {
            return error.status();
        }
        if let Self::Update(error) = self {
            return error.status();
        }
        if let Self::Rpc(status) = self {
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

/// The failure of one call.
#[derive(Debug)]
pub(crate) enum CallError<E> {
    /// Two attempts could not reach Temporal.
    Unreachable(String),
    /// Temporal is available, but the call did not complete before its deadline.
    TimedOut,
    Sdk(E),
}

impl<E: SdkError> CallError<E> {
    /// Converts the failure of a call that has only the common errors.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Unreachable(cause) => Error::Unavailable(cause),
            Self::TimedOut => Error::NoWorker,
            Self::Sdk(error) => error_from_status(&error),
        }
    }
}

/// Returns whether the error may come from the connection, so that a new connection may help.
pub(crate) fn is_connection_lost(error: &impl SdkError) -> bool {
    let Some(status) = error.status() else {
        return false;
    };
    match status.code() {
        Code::Unavailable if is_lost_update(status) => false,
        Code::Unavailable | Code::Cancelled => true,
        // Servers also return these two codes. A source is present only if our transport created
        // the error.
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

/// Returns whether the server refuses the credential, which may have been replaced.
pub(crate) fn is_credential_refused(error: &impl SdkError) -> bool {
    error.status().is_some_and(|status| {
        matches!(
            status.code(),
            Code::Unauthenticated | Code::PermissionDenied
        )
    })
}

/// Returns whether the server does not offer the call to this caller. Temporal Cloud responds so to
/// calls of the operator's service.
pub(crate) fn is_not_permitted(error: &impl SdkError) -> bool {
    error
        .status()
        .is_some_and(|status| matches!(status.code(), Code::PermissionDenied | Code::Unimplemented))
}

/// Returns whether the server rejected a search attribute of the call, which does not exist or is
/// very new.
pub(crate) fn is_unknown_search_attribute(error: &impl SdkError) -> bool {
    error.status().is_some_and(|status| {
        status.code() == Code::InvalidArgument && is_about_search_attributes(status)
    })
}

/// Returns whether the server refused the call only for the moment. It does so while a workflow that
/// receives a burst of signals is closing or continues as new, and above its rate limits.
pub(crate) fn is_busy(error: &impl SdkError) -> bool {
    error.status().is_some_and(|status| {
        matches!(status.code(), Code::ResourceExhausted | Code::Aborted)
            || is_out_of_signals(status)
            || is_lost_update(status)
    })
}

/// Returns whether the server has lost an update because the workflow task with it failed. It can be
/// sent again.
fn is_lost_update(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message().contains("update was aborted")
}

/// Returns whether the run of a workflow takes no more signals. An order then continues as new within
/// moments.
fn is_out_of_signals(status: &Status) -> bool {
    status.code() == Code::InvalidArgument && status.message().contains("limit for signal events")
}

pub(crate) fn error_from_status(error: &impl SdkError) -> Error {
    let Some(status) = error.status() else {
        return Error::Unexpected(error.to_string());
    };
    let description = || format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        _ if is_out_of_signals(status) => Error::Unavailable(description()),
        // A server that restarts may not know its namespaces yet. The workflow may exist.
        Code::NotFound if is_about_namespace(status) => Error::Unavailable(description()),
        Code::NotFound => Error::NotFound,
        // The server returns `FailedPrecondition` when no worker polls for the query.
        Code::DeadlineExceeded | Code::FailedPrecondition => Error::NoWorker,
        // A server uses a new search attribute up to a minute after its registration.
        Code::InvalidArgument if is_about_search_attributes(status) => {
            Error::Unavailable(description())
        }
        Code::Unavailable
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::PermissionDenied
        | Code::Unauthenticated => Error::Unavailable(description()),
        Code::Ok
        | Code::Unknown
        | Code::Internal
        | Code::InvalidArgument
        | Code::AlreadyExists
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss => Error::Unexpected(description()),
    }
}

/// Returns whether the server does not know the namespace of the call.
pub(crate) fn is_unknown_namespace(error: &impl SdkError) -> bool {
    error
        .status()
        .is_some_and(|status| status.code() == Code::NotFound && is_about_namespace(status))
}

fn is_about_namespace(status: &Status) -> bool {
    // The details are an encoded `NamespaceNotFoundFailure`, which contains its own name.
    let name = b"NamespaceNotFoundFailure";
    let has_details = status
        .details()
        .windows(name.len())
        .any(|part| part == name);
    has_details || status.message().starts_with("Namespace ")
}

fn is_about_search_attributes(status: &Status) -> bool {
    status
        .message()
        .to_ascii_lowercase()
        .contains("search attribute")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_transport_errors_mean_a_lost_connection() {
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

    #[test]
    fn only_a_momentary_refusal_means_a_busy_server() {
        assert!(is_busy(&Status::resource_exhausted("workflow is closing")));
        let limit = "exceeded workflow execution limit for signal events";
        assert!(is_busy(&Status::invalid_argument(limit)));
        assert!(!is_busy(&Status::invalid_argument("no")));
        let lost = Status::unavailable("workflow update was aborted");
        assert!(is_busy(&lost) && !is_connection_lost(&lost));
        assert!(is_busy(&Status::aborted("workflow continues as new")));
        for code in [Code::Unavailable, Code::NotFound, Code::DeadlineExceeded] {
            assert!(!is_busy(&Status::new(code, "")), "{code:?}");
        }
    }

    #[test]
    fn unknown_namespace_is_not_an_unknown_workflow() {
        let namespace = Status::not_found("Namespace default is not found.");
        assert!(matches!(
            error_from_status(&namespace),
            Error::Unavailable(_)
        ));
        let details = b"type.googleapis.com/temporal.api.errordetails.v1.NamespaceNotFoundFailure";
        let detailed = Status::with_details(Code::NotFound, "no", details.as_slice().into());
        assert!(is_unknown_namespace(&namespace) && is_unknown_namespace(&detailed));
        let workflow = Status::not_found("workflow not found for ID: order-1");
        assert_eq!(error_from_status(&workflow), Error::NotFound);
    }

    #[test]
    fn unknown_search_attribute_means_an_unavailable_server() {
        for message in [
            "Namespace default has no mapping defined for search attribute OrderStatus",
            "Search attribute OrderStatus is not defined",
        ] {
            assert!(matches!(
                error_from_status(&Status::invalid_argument(message)),
                Error::Unavailable(_)
            ));
        }
        assert!(matches!(
            error_from_status(&Status::invalid_argument("the id is too long")),
            Error::Unexpected(_)
        ));
    }
}
