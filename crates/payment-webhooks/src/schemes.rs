//! The signature schemes of all providers, as one table.

use domain::WebhookProvider;

pub(crate) struct Scheme {
    pub(crate) place: Place,
    pub(crate) signed: Signed,
    pub(crate) key: KeyEncoding,
    pub(crate) mac: MacEncoding,
}

/// The place of the signatures, and of the signed time and id.
pub(crate) enum Place {
    /// `t=1761000000,v1=…,v1=…` in one header.
    Stamped { header: &'static str },
    /// Three headers, with `v1,… v1,…` in the last. There are two sets of header names.
    Apart { families: [Family; 2] },
    /// A header that contains only the signature, perhaps after `prefix`.
    Alone {
        header: &'static str,
        prefix: &'static str,
    },
    /// In each item of the body; in a header if the body has no items.
    InItems { header: &'static str },
}

pub(crate) struct Family {
    pub(crate) id: &'static str,
    pub(crate) timestamp: &'static str,
    pub(crate) signature: &'static str,
}

/// The part of the signed text before the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Body,
    /// The time stamp and a dot.
    TimestampBody,
    /// Id, dot, time stamp, dot.
    IdTimestampBody,
    /// The URL that is registered at the provider. It comes from a setting, never from the request.
    UrlBody,
}

/// The encoding of a secret, as the provider shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyEncoding {
    /// The bytes of the text are the key, including a leading `whsec_`.
    Text,
    /// Base64, after `whsec_`.
    Base64AfterPrefix,
    Hex,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacEncoding {
    Hex,
    Base64,
}

const fn alone(header: &'static str, mac: MacEncoding) -> Scheme {
    Scheme {
        place: Place::Alone { header, prefix: "" },
        signed: Signed::Body,
        key: KeyEncoding::Text,
        mac,
    }
}

const STRIPE: Scheme = Scheme {
    place: Place::Stamped {
        header: "stripe-signature",
    },
    signed: Signed::TimestampBody,
    key: KeyEncoding::Text,
    mac: MacEncoding::Hex,
};
const STANDARD: Scheme = Scheme {
    place: Place::Apart {
        families: [
            Family {
                id: "webhook-id",
                timestamp: "webhook-timestamp",
                signature: "webhook-signature",
            },
            Family {
                id: "svix-id",
                timestamp: "svix-timestamp",
                signature: "svix-signature",
            },
        ],
    },
    signed: Signed::IdTimestampBody,
    key: KeyEncoding::Base64AfterPrefix,
    mac: MacEncoding::Base64,
};
const ADYEN: Scheme = Scheme {
    place: Place::InItems {
        header: "hmacsignature",
    },
    signed: Signed::Body,
    key: KeyEncoding::Hex,
    mac: MacEncoding::Base64,
};
const SQUARE: Scheme = Scheme {
    signed: Signed::UrlBody,
    ..alone("x-square-hmacsha256-signature", MacEncoding::Base64)
};
const MOLLIE: Scheme = Scheme {
    place: Place::Alone {
        header: "x-mollie-signature",
        prefix: "sha256=",
    },
    ..alone("", MacEncoding::Hex)
};
const GOCARDLESS: Scheme = alone("webhook-signature", MacEncoding::Hex);
const CHECKOUT: Scheme = alone("cko-signature", MacEncoding::Hex);
const SHOPIFY: Scheme = alone("x-shopify-hmac-sha256", MacEncoding::Base64);

pub(crate) fn of(provider: WebhookProvider) -> &'static Scheme {
    match provider {
        WebhookProvider::Stripe => &STRIPE,
        WebhookProvider::Adyen => &ADYEN,
        WebhookProvider::Standard => &STANDARD,
        WebhookProvider::Square => &SQUARE,
        WebhookProvider::Mollie => &MOLLIE,
        WebhookProvider::GoCardless => &GOCARDLESS,
        WebhookProvider::Checkout => &CHECKOUT,
        WebhookProvider::Shopify => &SHOPIFY,
    }
}
