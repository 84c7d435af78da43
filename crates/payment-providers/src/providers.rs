//! The adapter of each payment's own provider.

use std::sync::Arc;

use crate::PaymentProvider;
use domain::EXTERNAL;

/// A provider without an adapter. An operator must act for its payments.
struct NoAdapter;

impl PaymentProvider for NoAdapter {
    fn name(&self) -> &'static str {
        "none"
    }
}

/// The payment providers of a worker, fixed when the worker starts.
///
/// ```
/// use std::sync::Arc;
///
/// use payment_providers::{EXTERNAL, PaymentProvider, Providers};
///
/// struct Shop;
///
/// impl PaymentProvider for Shop {
///     fn name(&self) -> &'static str {
///         "shop"
///     }
/// }
///
/// let providers = Providers::new(Arc::new(Shop));
/// assert_eq!(providers.for_payment("shop").name(), "shop");
/// assert_eq!(providers.for_payment(EXTERNAL).name(), "shop");
/// assert_eq!(providers.for_payment("adyen").name(), "none");
/// ```
#[derive(Clone)]
pub struct Providers {
    charging: Arc<dyn PaymentProvider>,
    others: Vec<Arc<dyn PaymentProvider>>,
}

impl Providers {
    /// Creates a registry with the provider that charges.
    pub fn new(charging: Arc<dyn PaymentProvider>) -> Self {
        Self {
            charging,
            others: Vec::new(),
        }
    }

    /// Adds a provider that acts for its own payments and does not charge.
    #[must_use]
    pub fn with(mut self, other: Arc<dyn PaymentProvider>) -> Self {
        self.others.push(other);
        self
    }

    /// Replaces each provider, for example to inject faults.
    #[must_use]
    pub fn map(self, wrap: impl Fn(Arc<dyn PaymentProvider>) -> Arc<dyn PaymentProvider>) -> Self {
        Self {
            charging: wrap(self.charging),
            others: self.others.into_iter().map(wrap).collect(),
        }
    }

    /// Returns the provider that charges orders.
    pub fn charging(&self) -> &dyn PaymentProvider {
        &*self.charging
    }

    /// Returns every provider that has an adapter; the one that charges is the first.
    pub fn all(&self) -> impl Iterator<Item = &dyn PaymentProvider> {
        std::iter::once(&self.charging)
            .chain(&self.others)
            .map(|provider| &**provider)
    }

    /// Returns the adapter of the provider with this name, or `None`.
    pub fn find(&self, name: &str) -> Option<&dyn PaymentProvider> {
        self.all().find(|provider| provider.name() == name)
    }

    /// Returns the adapter for a payment with this value of `payments.provider`. The provider of an
    /// [`EXTERNAL`] payment is unknown, so the provider that charges looks for it. The adapter of
    /// any other provider reports that it supports nothing.
    pub fn for_payment(&self, provider_name: &str) -> &dyn PaymentProvider {
        match provider_name {
            EXTERNAL => self.charging(),
            name => self.find(name).unwrap_or(&NoAdapter),
        }
    }
}
