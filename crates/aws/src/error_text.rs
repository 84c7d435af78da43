//! What a failed call to AWS means, in a few words that may stand in a log.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Never by its `Debug`, which has the answer's body.
pub fn describe_error<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(context) => context.err().code().unwrap_or("refused").to_owned(),
        SdkError::ResponseError(_) => "the answer can't be read".to_owned(),
        SdkError::DispatchFailure(_) => "it can't be reached".to_owned(),
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        // The kinds may grow.
        SdkError::ConstructionFailure(_) | _ => "it can't be asked".to_owned(),
    }
}
