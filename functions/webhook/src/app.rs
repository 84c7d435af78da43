//! What the function is set up with, and what becomes of one notification.

use crate::{Clock, Keyring, Settings};
use client::{Orders, TemporalSettings};
use domain::{SettingError, WebhookProvider};
use lambda_http::{Body, Request, Response};
use orderflow_http::{Application, Call, Code, Function, Operation, Problem, Reply, serve};
use webhooks::Rejection;
use workflows::Notice;

/// The door to Temporal and the providers' secrets.
#[derive(Debug)]
pub struct App {
    orders: Orders,
    keyring: Keyring,
    settings: Settings,
    clock: Clock,
}

impl App {
    /// With a door that others use as well.
    pub fn new(orders: Orders) -> Result<Self, SettingError> {
        Ok(Self::with(orders, Keyring::from_env()?, Settings::from_env()?, Clock::system()))
    }

    /// With everything given.
    pub fn with(orders: Orders, keyring: Keyring, settings: Settings, clock: Clock) -> Self {
        Self { orders, keyring, settings, clock }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Self::new(Orders::connect(TemporalSettings::from_env()?))
    }

    async fn warm_up(&self) {
        let _ = self.orders.health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Webhook, request, async |call| answer(self, &call).await).await
    }
}

async fn answer(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Operation::Webhook = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    let unknown = || Problem::new(Code::RouteNotFound, "No webhooks of this provider are taken here.");
    let provider = WebhookProvider::parse(call.raw_id()).ok_or_else(unknown)?;
    let (secrets, notification_url) = app.keyring.of(provider).ok_or_else(unknown)?;
    let headers = call.header_texts();
    let request = webhooks::Request {
        headers: &headers,
        body: call.bytes()?,
        now: app.clock.now(),
        notification_url: notification_url.as_deref(),
    };
    let verified = webhooks::verify(&secrets, &request).map_err(|rejection| rejected(provider, rejection))?;
    for event in webhooks::events(&verified, app.settings.environment) {
        let notice = Notice { event, declined: false, again: false, grace: Some(app.settings.grace) };
        app.orders.notify(notice).await?;
    }
    Ok(match provider {
        // What Adyen waits for, word for word.
        WebhookProvider::Adyen => Reply::file("text/plain; charset=utf-8", "[accepted]"),
        WebhookProvider::Stripe
        | WebhookProvider::Standard
        | WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::GoCardless
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => Reply::file("text/plain; charset=utf-8", "accepted"),
    })
}

fn rejected(provider: WebhookProvider, rejection: Rejection) -> Problem {
    let code = match provider {
        // Its own code for that; by it GoCardless tells its users.
        WebhookProvider::GoCardless => Code::WebhookTokenInvalid,
        WebhookProvider::Stripe
        | WebhookProvider::Adyen
        | WebhookProvider::Standard
        | WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => Code::WebhookRejected,
    };
    let detail = match rejection {
        Rejection::Header => "The signature is missing or not one.",
        Rejection::Signature => "The signature is not that of this body.",
        Rejection::Timestamp => "The signature is too old, or from the future.",
    };
    Problem::unverified(code, rejection.as_str(), detail)
}
