//! Calls to payment providers, limited in time and in number.
//!
//! A provider that hangs uses up its own calls only. Calls beyond the limit fail at once and are
//! retried by Temporal, so their activities leave their slots to others.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::Semaphore, time::timeout};
use tracing::field;

use crate::traces::trace_call;
use domain::PaymentId;
use payment_providers::{OutcomeUnknown, ProviderCall, Providers};

/// The time limit of a call to a payment provider. Less than the activity's 4 s, so that a provider
/// that does not respond is a value and not a time-out of the activity.
pub(super) const PAYMENT_ANSWER: Duration = Duration::from_secs(3);

/// The payment providers, and the calls that each of them may have in progress.
pub struct LimitedProviders {
    pub(super) providers: Providers,
    calls: BTreeMap<&'static str, Semaphore>,
}

/// The reason why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("the payment provider did not answer")]
    Provider(#[from] OutcomeUnknown),
    #[error("no response from the payment provider within {PAYMENT_ANSWER:?}")]
    Silent,
    #[error("this worker has as many calls to {0} in progress as it may (PAYMENT_CALLS)")]
    Busy(&'static str),
}

/// The reason to repeat an activity.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("payment {0} has an invalid amount")]
    Amount(PaymentId),
}

impl LimitedProviders {
    /// Limits each provider to `limit` calls at a time.
    pub fn new(providers: Providers, limit: usize) -> Self {
        let calls = providers
            .all()
            .map(|provider| (provider.name(), Semaphore::new(limit)))
            .collect();
        Self { providers, calls }
    }

    /// Waits for the response of the provider with this name.
    pub(super) async fn run<T>(
        &self,
        provider: &'static str,
        call: ProviderCall<'_, T>,
    ) -> Result<T, CallError> {
        // A provider without an adapter answers at once.
        let _permit = match self.calls.get(provider) {
            Some(calls) => Some(calls.try_acquire().map_err(|_| CallError::Busy(provider))?),
            None => None,
        };
        let span = tracing::trace_span!(
            "payment.call",
            otel.name = format!("payment provider {provider}"),
            otel.kind = "client",
            otel.status_code = field::Empty,
        );
        let limited = async {
            let answer = timeout(PAYMENT_ANSWER, call).await;
            Ok(answer.map_err(|_| CallError::Silent)??)
        };
        trace_call(span, limited).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::*;
    use payment_providers::{PaymentProvider, Refund, RefundRequest};

    struct Named(&'static str);

    impl PaymentProvider for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn charge<'a>(
            &'a self,
            _: &'a payment_providers::ChargeRequest,
        ) -> ProviderCall<'a, payment_providers::Charge> {
            std::future::pending().boxed()
        }

        fn refund<'a>(&'a self, _: &'a RefundRequest) -> ProviderCall<'a, Refund> {
            std::future::pending().boxed()
        }
    }

    #[tokio::test]
    async fn hanging_provider_uses_up_its_own_calls_only() {
        let providers = Providers::new(Arc::new(Named("slow"))).with(Arc::new(Named("fast")));
        let limited = LimitedProviders::new(providers, 1);
        let hanging = limited.run::<()>("slow", std::future::pending().boxed());
        let mut hanging = Box::pin(hanging);
        assert!(hanging.as_mut().now_or_never().is_none());
        let second = limited.run("slow", std::future::ready(Ok(1)).boxed()).await;
        assert!(matches!(second, Err(CallError::Busy("slow"))), "{second:?}");
        let other = limited.run("fast", std::future::ready(Ok(2)).boxed()).await;
        assert_eq!(other.unwrap(), 2);
        drop(hanging);
        let next = limited.run("slow", std::future::ready(Ok(3)).boxed()).await;
        assert_eq!(next.unwrap(), 3);
    }
}
