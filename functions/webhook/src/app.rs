//! What the function is set up with, and what becomes of one notification.

use futures_util::{StreamExt, TryStreamExt, stream};
use lambda_http::{Body, Request, Response};

use crate::{Clock, Settings, WebhookSecrets};
use domain::WebhookProvider;
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, ProblemCode, serve,
};
use payment_webhooks::{Rejection, Secrets, Verified};
use settings::SettingError;
use workflows::PaymentEventSignal;

/// How many of a batch's events Temporal is told of at once: 250 of them, one by one, might take longer than a provider
/// waits.
const AT_ONCE: usize = 16;

/// The door to Temporal and the providers' secrets.
#[derive(Debug)]
pub struct App {
    orders: OrderClient,
    keyring: WebhookSecrets,
    settings: Settings,
    clock: Clock,
}

impl App {
    /// With a door that others use as well.
    pub fn new(orders: OrderClient) -> Result<Self, SettingError> {
        Ok(Self::from_parts(
            orders,
            WebhookSecrets::from_env()?,
            Settings::from_env()?,
            Clock::system(),
        ))
    }

    /// With everything given.
    pub fn from_parts(
        orders: OrderClient,
        keyring: WebhookSecrets,
        settings: Settings,
        clock: Clock,
    ) -> Self {
        Self {
            orders,
            keyring,
            settings,
            clock,
        }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Self::new(OrderClient::new(TemporalSettings::from_env()?))
    }

    async fn warm_up(&self) {
        let _ = tokio::join!(self.orders.check_health(), self.keyring.refresh_if_due());
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Webhook, request, async |call| {
            // Beside the answer and not after it: then the sandbox is frozen. It is short, and fails nobody.
            let (answered, ()) = tokio::join!(answer(self, &call), self.keyring.refresh_if_due());
            answered
        })
        .await
    }
}

type Secret = (Secrets, Option<String>);

impl App {
    async fn known(&self, provider: WebhookProvider) -> Result<Option<Secret>, Problem> {
        let away = |error| {
            Problem::new(ProblemCode::AuthUnavailable, "Try again in a moment.").with_cause(error)
        };
        self.keyring.for_provider(provider).await.map_err(away)
    }
}

fn judge<'a>(
    (secrets, url): &'a Secret,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    now: i64,
) -> Result<Verified<'a>, Rejection> {
    payment_webhooks::verify(
        secrets,
        &payment_webhooks::Request {
            headers,
            body,
            now,
            notification_url: url.as_deref(),
        },
    )
}

async fn answer(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Webhook = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    let unknown = || {
        Problem::new(
            ProblemCode::RouteNotFound,
            "No webhooks of this provider are taken here.",
        )
    };
    let provider = WebhookProvider::parse(call.path_parameter()).ok_or_else(unknown)?;
    let body = call.body_bytes()?;
    let headers = call.text_headers();
    let now = app.clock.now();
    let known = match app.known(provider).await? {
        // Its first secret may have come a moment ago.
        None if app.keyring.refresh_after_rejection().await => app.known(provider).await?,
        known => known,
    };
    let known = known.ok_or_else(unknown)?;
    let renewed;
    let verified = match judge(&known, &headers, body, now) {
        Err(Rejection::Signature) if app.keyring.refresh_after_rejection().await => {
            renewed = app.known(provider).await?.ok_or_else(unknown)?;
            judge(&renewed, &headers, body, now)
        }
        judged => judged,
    };
    let verified = verified.map_err(|rejection| rejected(provider, rejection))?;
    let told = payment_webhooks::events(&verified, app.settings.environment)
        .into_iter()
        .map(|event| {
            let notice = PaymentEventSignal {
                event,
                declined: false,
                again: false,
                grace: Some(app.settings.grace),
            };
            app.orders.send_payment_event(notice)
        });
    // In no order: events of one order may come in any. One that fails fails all, and all come again.
    stream::iter(told)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(match provider {
        // What Adyen waits for, word for word.
        WebhookProvider::Adyen => ApiResponse::file("text/plain; charset=utf-8", "[accepted]"),
        // As its own libraries answer.
        WebhookProvider::GoCardless => ApiResponse::no_content(),
        WebhookProvider::Stripe
        | WebhookProvider::Standard
        | WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => ApiResponse::file("text/plain; charset=utf-8", "accepted"),
    })
}

fn rejected(provider: WebhookProvider, rejection: Rejection) -> Problem {
    let code = match provider {
        // Its own code for that; by it GoCardless tells its users.
        WebhookProvider::GoCardless => ProblemCode::WebhookTokenInvalid,
        WebhookProvider::Stripe
        | WebhookProvider::Adyen
        | WebhookProvider::Standard
        | WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => ProblemCode::WebhookRejected,
    };
    let detail = match rejection {
        Rejection::Header => "The signature is missing or not one.",
        Rejection::Signature => "The signature is not that of this body.",
        Rejection::Timestamp => "The signature is too old, or from the future.",
    };
    Problem::webhook_rejected(code, rejection.as_str(), detail)
}
