//! What RDS refuses, in one line with what to do about it.

use anyhow::{Error, anyhow};
use aws_sdk_rds::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};

/// `subject` is the snapshot or the instance that was asked about, `action` what IAM calls the question.
pub(super) fn explain_error<E: ProvideErrorMetadata, R>(
    error: &SdkError<E, R>,
    client: &Client,
    action: &str,
    subject: &str,
) -> Error {
    let region = client.config().region().map_or("?", AsRef::as_ref);
    let SdkError::ServiceError(context) = error else {
        return anyhow!(
            "RDS in {region}: {}; is AWS_REGION right, and is there a way to it?",
            aws::describe_error(error)
        );
    };
    let (code, said) = (
        context.err().code().unwrap_or_default(),
        context.err().message().unwrap_or_default(),
    );
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => anyhow!(
            "AWS refuses {action} for {subject}: the policy for operators in docs/runbook.md, \"Restore\", allows it"
        ),
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "AuthFailure"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => anyhow!(
            "AWS does not take these credentials ({code}): renew them (`aws sso login`), or set AWS_PROFILE; \
             `aws sts get-caller-identity` shows who you are"
        ),
        "RequestExpired" | "RequestTimeTooSkewed" => {
            anyhow!("AWS finds the time wrong ({code}): set this machine's clock")
        }
        "DBInstanceNotFound" | "DBInstanceNotFoundFault" => anyhow!(
            "there is no instance {subject} in {region}: `aws rds describe-db-instances` shows which there are; name \
             another with --instance, or set AWS_REGION"
        ),
        "DBSnapshotNotFound" | "DBSnapshotNotFoundFault" => {
            anyhow!(
                "there is no snapshot {subject} in {region}: `orderflow snapshot list` shows which there are"
            )
        }
        "DBInstanceAlreadyExists" | "DBInstanceAlreadyExistsFault" => {
            anyhow!(
                "there is an instance {subject} already, and none is ever replaced: name another with --to"
            )
        }
        "SnapshotQuotaExceeded" | "SnapshotQuotaExceededFault" => anyhow!(
            "the account has as many snapshots as it may: delete old ones (`aws rds delete-db-snapshot`), or have the \
             quota \"Manual DB instance snapshots\" raised"
        ),
        "InstanceQuotaExceeded"
        | "InstanceQuotaExceededFault"
        | "StorageQuotaExceeded"
        | "StorageQuotaExceededFault" => {
            anyhow!(
                "the account has as many instances, or as much storage, as it may ({code}): have the quota of RDS raised"
            )
        }
        "InsufficientDBInstanceCapacity" | "InsufficientDBInstanceCapacityFault" => {
            anyhow!("AWS has no room for another instance of this class just now: try again later")
        }
        "InvalidDBInstanceState" | "InvalidDBInstanceStateFault" => {
            anyhow!(
                "the instance {subject} is busy with something else ({}): try again when it is available",
                one(said)
            )
        }
        "InvalidDBSnapshotState" | "InvalidDBSnapshotStateFault" => {
            anyhow!(
                "the snapshot {subject} is not available: `orderflow snapshot list` shows how far it is"
            )
        }
        "PointInTimeRestoreNotEnabled" | "PointInTimeRestoreNotEnabledFault" => {
            anyhow!(
                "the instance {subject} keeps no backups, so only its snapshots can be restored"
            )
        }
        "KMSKeyNotAccessible" | "KMSKeyNotAccessibleFault" => {
            anyhow!(
                "the key that encrypts {subject} can't be used: look at its state and policy in KMS"
            )
        }
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
            anyhow!("AWS is asked too much by this account just now: try again in a minute")
        }
        _ => anyhow!("RDS refuses {action} for {subject}: {code} {}", one(said)),
    }
}

/// Whether the same question may be answered in a moment.
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
                .any(|passing| code.starts_with(passing))
        }
        // The kinds may grow.
        SdkError::ConstructionFailure(_) | _ => false,
    }
}

/// AWS's own words, without their end.
fn one(said: &str) -> &str {
    said.trim().trim_end_matches('.')
}
