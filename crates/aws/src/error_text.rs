//! Texts for failed calls to AWS that are short and safe to log.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Returns AWS's error code, or a phrase when AWS did not answer. Never log the `Debug` text of
/// such an error: it contains the response body.
pub fn describe_error<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(context) => context
            .err()
            .code()
            .unwrap_or("AWS rejected the request")
            .to_owned(),
        SdkError::ResponseError(_) => "the response is unreadable".to_owned(),
        SdkError::DispatchFailure(_) => "AWS is unreachable".to_owned(),
        SdkError::TimeoutError(_) => "AWS did not respond in time".to_owned(),
        // The enum is non-exhaustive.
        SdkError::ConstructionFailure(_) | _ => "the request could not be built".to_owned(),
    }
}
