//! A secret for each payment provider, for worlds that take webhooks.

/// Well-formed for each of them.
pub(crate) const SECRET: &str = "a7f5f35426b927411fc9231b56382173a7f5f35426b927411fc9231b56382173";

pub(crate) fn all() -> [(&'static str, &'static str); 11] {
    [
        ("WEBHOOK_SECRETS_STRIPE", SECRET),
        ("WEBHOOK_SECRETS_ADYEN", SECRET),
        ("WEBHOOK_SECRETS_STANDARD", SECRET),
        ("WEBHOOK_SECRETS_SQUARE", SECRET),
        ("WEBHOOK_SECRETS_MOLLIE", SECRET),
        ("WEBHOOK_SECRETS_GOCARDLESS", SECRET),
        ("WEBHOOK_SECRETS_CHECKOUT", SECRET),
        ("WEBHOOK_SECRETS_SHOPIFY", SECRET),
        ("WEBHOOK_URL_SQUARE", "https://shop.example/webhooks/square"),
        // The samples are of the providers' test systems.
        ("WEBHOOK_ENVIRONMENT", "test"),
        // Nobody waits for an order that does not appear.
        ("SETTLEMENT_GRACE", "1s"),
    ]
}
