//! Fault injection: `FLAKY=fail:0.33,hang:0.33,hang_for:300s`. Off by default.
//!
//! External calls of activities fail or hang: half of the faults occur before the call has an
//! effect, the other half after it, as if only the response was lost. Every order must still end
//! correctly.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt, future::BoxFuture};
use temporalio_common::ActivityDefinition;
use temporalio_sdk::{
    activities::ActivityError,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
};

use crate::{
    carrier::{Carrier, CarrierError, Consignment, Parcel, Recalled},
    payment::{
        Capture, CaptureRequest, Charge, ChargeRequest, FoundPayment, OutcomeUnknown,
        PaymentProvider, ProviderCall, Refund, RefundRequest,
    },
};
use domain::{OrderId, Span, TrackingEvent, TransactionId};
use workflows::activity::{
    CancelShipment, ChargePayment, CheckShipment, DispatchCarrier, RefundPayment, SettlePayment,
};

const HANG_FOR: Duration = Duration::from_secs(300);

/// The frequency of faults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flaky {
    /// Shares of all calls, from 0 to 1.
    fail: f64,
    hang: f64,
    hang_for: Duration,
}

/// An injected failure.
#[derive(Debug, thiserror::Error)]
#[error("simulated by FLAKY")]
struct Simulated;

enum InjectedFault {
    Well,
    Fails,
    Hangs,
}

impl Flaky {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut flaky = Self {
            fail: 0.0,
            hang: 0.0,
            hang_for: HANG_FOR,
        };
        for part in text.split(',') {
            let (name, value) = part.split_once(':')?;
            let share = || {
                value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|share| (0.0..=1.0).contains(share))
            };
            match name.trim() {
                "fail" => flaky.fail = share()?,
                "hang" => flaky.hang = share()?,
                "hang_for" => flaky.hang_for = value.trim().parse::<Span>().ok()?.duration(),
                _ => return None,
            }
        }
        (flaky.fail + flaky.hang <= 1.0).then_some(flaky)
    }

    fn draw_fault(&self) -> InjectedFault {
        let drawn: f64 = rand::random();
        if drawn < self.fail {
            InjectedFault::Fails
        } else if drawn < self.fail + self.hang {
            InjectedFault::Hangs
        } else {
            InjectedFault::Well
        }
    }

    /// Makes the call, skips it, or loses its response.
    async fn inject<T>(&self, call: impl Future<Output = T>) -> Result<T, Simulated> {
        let fate = self.draw_fault();
        let takes_hold: bool = rand::random();
        match fate {
            InjectedFault::Well => return Ok(call.await),
            InjectedFault::Fails | InjectedFault::Hangs if takes_hold => drop(call.await),
            InjectedFault::Fails | InjectedFault::Hangs => {}
        }
        if matches!(fate, InjectedFault::Hangs) {
            tokio::time::sleep(self.hang_for).await;
        }
        Err(Simulated)
    }
}

/// A payment provider with injected faults.
pub(crate) struct FlakyProvider {
    pub(crate) provider: Arc<dyn PaymentProvider>,
    pub(crate) flaky: Flaky,
}

impl FlakyProvider {
    fn inject<'a, T: Send + 'a>(&'a self, call: ProviderCall<'a, T>) -> ProviderCall<'a, T> {
        self.flaky
            .inject(call)
            .map(|answer| {
                answer.unwrap_or_else(|simulated| Err(OutcomeUnknown(simulated.to_string())))
            })
            .boxed()
    }
}

impl PaymentProvider for FlakyProvider {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> ProviderCall<'a, Charge> {
        self.inject(self.provider.charge(request))
    }

    fn capture<'a>(&'a self, request: &'a CaptureRequest) -> ProviderCall<'a, Capture> {
        self.inject(self.provider.capture(request))
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> ProviderCall<'a, Refund> {
        self.inject(self.provider.refund(request))
    }

    fn find_payments<'a>(
        &'a self,
        order_id: &'a OrderId,
        since: DateTime<Utc>,
    ) -> ProviderCall<'a, Vec<FoundPayment>> {
        self.inject(self.provider.find_payments(order_id, since))
    }

    fn find_payment<'a>(
        &'a self,
        transaction_id: &'a TransactionId,
    ) -> ProviderCall<'a, Option<FoundPayment>> {
        self.inject(self.provider.find_payment(transaction_id))
    }

    fn list_payments(&self, since: DateTime<Utc>) -> ProviderCall<'_, Option<Vec<FoundPayment>>> {
        self.inject(self.provider.list_payments(since))
    }
}

/// A carrier with injected faults.
pub(crate) struct FlakyCarrier {
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) flaky: Flaky,
}

impl Carrier for FlakyCarrier {
    fn name(&self) -> &str {
        self.carrier.name()
    }

    fn dispatch<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<Parcel, CarrierError>> {
        let call = self.flaky.inject(self.carrier.dispatch(consignment));
        call.map(|answer| {
            answer.unwrap_or_else(|simulated| Err(CarrierError(simulated.to_string())))
        })
        .boxed()
    }

    fn recall<'a>(
        &'a self,
        order_id: &'a OrderId,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Recalled, CarrierError>> {
        let call = self
            .flaky
            .inject(self.carrier.recall(order_id, shipment_id));
        call.map(|answer| {
            answer.unwrap_or_else(|simulated| Err(CarrierError(simulated.to_string())))
        })
        .boxed()
    }

    fn status<'a>(
        &'a self,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<TrackingEvent>, CarrierError>> {
        let call = self.flaky.inject(self.carrier.status(shipment_id));
        call.map(|answer| {
            answer.unwrap_or_else(|simulated| Err(CarrierError(simulated.to_string())))
        })
        .boxed()
    }
}

/// The activities that only call the database. Faults of activities that call a provider or a
/// carrier are injected into that call, so that the workflow counts them.
impl ActivityInboundInterceptor for Flaky {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let asks_outside = [
            ChargePayment.name(),
            RefundPayment.name(),
            SettlePayment.name(),
            DispatchCarrier.name(),
            CancelShipment.name(),
            CheckShipment.name(),
        ];
        if asks_outside.contains(&input.activity_info().activity_type.as_str()) {
            return next.run(input);
        }
        let disturbed = self.inject(next.run(input));
        disturbed
            .map(|done| done.unwrap_or_else(|simulated| Err(ActivityError::from(simulated))))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_a_time_are_read() {
        let flaky = Flaky::parse("fail:0.33,hang:0.33,hang_for:300s").unwrap();
        assert_eq!(
            flaky,
            Flaky {
                fail: 0.33,
                hang: 0.33,
                hang_for: Duration::from_secs(300)
            }
        );
        assert_eq!(
            Flaky::parse("fail:1").unwrap(),
            Flaky {
                fail: 1.0,
                hang: 0.0,
                hang_for: HANG_FOR
            }
        );
        for bad in [
            "",
            "fail",
            "fail:2",
            "fail:-0.1",
            "fail:NaN",
            "fail:0.6,hang:0.6",
            "hang_for:soon",
            "lose:0.1",
        ] {
            assert_eq!(Flaky::parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_call_that_always_fails_takes_hold_half_of_the_time() {
        let flaky = Flaky::parse("fail:1").unwrap();
        let mut held = 0;
        for _ in 0..400 {
            assert!(flaky.inject(async { held += 1 }).await.is_err());
        }
        // Ten standard deviations on either side.
        assert!((100..=300).contains(&held), "{held}");
    }
}
