//! The registry selects the adapter of a payment's own provider.

use std::sync::Arc;

use crate::{Capture, CaptureRequest, EXTERNAL, PaymentProvider, Providers};
use domain::{Currency, Money, OrderId, TransactionId};

struct Named(&'static str);

impl PaymentProvider for Named {
    fn name(&self) -> &'static str {
        self.0
    }
}

#[tokio::test]
async fn payment_uses_its_own_provider() {
    let providers = Providers::new(Arc::new(Named("simulator"))).with(Arc::new(Named("adyen")));
    for (payment, adapter) in [
        ("simulator", "simulator"),
        ("adyen", "adyen"),
        (EXTERNAL, "simulator"),
        ("stripe", "none"),
        ("none", "none"),
    ] {
        assert_eq!(providers.for_payment(payment).name(), adapter, "{payment}");
    }
    assert_eq!(providers.charging().name(), "simulator");
    assert!(providers.find("stripe").is_none());

    let renamed = providers.map(|_| Arc::new(Named("flaky")));
    assert_eq!(renamed.all().count(), 2);
    assert_eq!(renamed.for_payment(EXTERNAL).name(), "flaky");
}

#[tokio::test]
async fn provider_without_adapter_supports_nothing() {
    let providers = Providers::new(Arc::new(Named("simulator")));
    let request = CaptureRequest {
        order_id: OrderId::parse("order-1").unwrap(),
        transaction_id: TransactionId::parse("txn-1").unwrap(),
        amount: Money::from_minor(1, Currency::DEFAULT).unwrap(),
        key: "capture:1".to_owned(),
    };
    let adapter = providers.for_payment("square");
    assert_eq!(
        adapter.capture(&request).await.unwrap(),
        Capture::Unsupported
    );
    let found = adapter.find_payment(&request.transaction_id).await;
    assert_eq!(found.unwrap(), None);
}
