//! Errors of RDS as one line with the next step.

use anyhow::{Error, anyhow};
use aws_sdk_rds::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};

/// Explains an error of RDS. `subject` is the snapshot or the instance of the call, `action` the
/// IAM action.
pub(super) fn explain_error<E: ProvideErrorMetadata, R>(
    error: &SdkError<E, R>,
    client: &Client,
    action: &str,
    subject: &str,
) -> Error {
    let region = client.config().region().map_or("?", AsRef::as_ref);
    let SdkError::ServiceError(context) = error else {
        return anyhow!(
            "RDS in {region}: {}; check AWS_REGION and the network",
            aws::describe_error(error)
        );
    };
    let (code, message) = (
        context.err().code().unwrap_or_default(),
        context.err().message().unwrap_or_default(),
    );
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => anyhow!(
            "AWS denied {action} for {subject}; attach the policy for operators of docs/runbook.md, \"Restore\""
        ),
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "AuthFailure"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => anyhow!(
            "AWS credentials: rejected ({code}); renew them with `aws sso login` or set AWS_PROFILE, and check them with \
             `aws sts get-caller-identity`"
        ),
        "RequestExpired" | "RequestTimeTooSkewed" => {
            anyhow!(
                "clock: AWS rejected the time of the request ({code}); set this machine's clock"
            )
        }
        "DBInstanceNotFound" | "DBInstanceNotFoundFault" => anyhow!(
            "RDS instance {subject}: not found in {region}; list the instances with `aws rds describe-db-instances`, then \
             give --instance or set AWS_REGION"
        ),
        "DBSnapshotNotFound" | "DBSnapshotNotFoundFault" => {
            anyhow!(
                "snapshot {subject}: not found in {region}; list the snapshots with `orderflow snapshot list`"
            )
        }
        "DBInstanceAlreadyExists" | "DBInstanceAlreadyExistsFault" => {
            anyhow!(
                "RDS instance {subject}: it exists and is never replaced; choose another name with --to"
            )
        }
        "SnapshotQuotaExceeded" | "SnapshotQuotaExceededFault" => anyhow!(
            "snapshot quota: reached; delete old snapshots with `aws rds delete-db-snapshot`, or raise the \
             quota \"Manual DB instance snapshots\""
        ),
        "InstanceQuotaExceeded"
        | "InstanceQuotaExceededFault"
        | "StorageQuotaExceeded"
        | "StorageQuotaExceededFault" => {
            anyhow!(
                "RDS quota: the account has reached it ({code}); raise the quota for instances or storage"
            )
        }
        "InsufficientDBInstanceCapacity" | "InsufficientDBInstanceCapacityFault" => {
            anyhow!("AWS capacity: no instance of this class is available now; try again later")
        }
        "InvalidDBInstanceState" | "InvalidDBInstanceStateFault" => {
            anyhow!(
                "RDS instance {subject}: not available now ({}); try again when it is available",
                trim_message(message)
            )
        }
        "InvalidDBSnapshotState" | "InvalidDBSnapshotStateFault" => {
            anyhow!(
                "snapshot {subject}: not available yet; see its progress with `orderflow snapshot list`"
            )
        }
        "PointInTimeRestoreNotEnabled" | "PointInTimeRestoreNotEnabledFault" => {
            anyhow!(
                "RDS instance {subject}: it keeps no automated backups; restore a snapshot instead"
            )
        }
        "KMSKeyNotAccessible" | "KMSKeyNotAccessibleFault" => {
            anyhow!("KMS key of {subject}: not usable; check its state and its policy in KMS")
        }
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
            anyhow!("AWS rate limit: the account has reached it; try again in a minute")
        }
        _ => anyhow!(
            "RDS rejected {action} for {subject}: {code} {}",
            trim_message(message)
        ),
    }
}

/// Returns whether a repeated call may succeed.
pub(super) fn is_transient<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    match error {
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
            true
        }
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or_default();
            code.is_empty()
                || [
                    "Throttling",
                    "RequestLimitExceeded",
                    "InternalFailure",
                    "InternalError",
                    "ServiceUnavailable",
                ]
                .iter()
                .any(|transient| code.starts_with(transient))
        }
        // The enumeration is not exhaustive.
        SdkError::ConstructionFailure(_) | _ => false,
    }
}

/// Returns AWS's message without its final full stop.
fn trim_message(message: &str) -> &str {
    message.trim().trim_end_matches('.')
}
