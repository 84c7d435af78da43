//! The events of each provider, one file per provider.

pub(crate) mod adyen;
pub(crate) mod checkout;
pub(crate) mod gocardless;
pub(crate) mod mollie;
pub(crate) mod shopify;
pub(crate) mod square;
pub(crate) mod standard;
pub(crate) mod stripe;
