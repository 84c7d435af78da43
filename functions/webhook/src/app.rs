//! The function's configuration, and its handling of one webhook event.

use lambda_http::{Body, Request, Response};

use crate::{Clock, Settings, WebhookSecrets, secret_file::Sender};
use contract::TrackingReport;
use domain::WebhookProvider;
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, ProblemCode, serve,
};
use payment_webhooks::{Rejection, Secrets, Verified};
use settings::SettingError;
use workflows::PaymentEventSignal;

/// The function with its Temporal client and the providers' secrets.
#[derive(Debug)]
pub struct App {
    orders: OrderClient,
    secrets: WebhookSecrets,
    settings: Settings,
    clock: Clock,
}

impl App {
    /// Reads the settings of the function. `orders` may be shared with other functions.
    pub fn new(orders: OrderClient) -> Result<Self, SettingError> {
        Ok(Self::from_parts(
            orders,
            WebhookSecrets::from_env()?,
            Settings::from_env()?,
            Clock::system(),
        ))
    }

    /// Creates the function with the given parts, for tests.
    pub fn from_parts(
        orders: OrderClient,
        secrets: WebhookSecrets,
        settings: Settings,
        clock: Clock,
    ) -> Self {
        Self {
            orders,
            secrets,
            settings,
            clock,
        }
    }
}

impl Application for App {
    const SERVICE: &'static str = "orderflow-webhook";
    const FUNCTION: Function = Function::Webhook;

    fn from_env() -> Result<Self, SettingError> {
        Self::new(OrderClient::new(TemporalSettings::from_env()?))
    }

    async fn warm_up(&self) {
        let _ = tokio::join!(self.orders.check_health(), self.secrets.current());
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Webhook, request, async |call| {
            receive_event(self, &call).await
        })
        .await
    }
}

/// One provider's secrets, and the URL that Square's signatures cover.
type Verifier = (Secrets, Option<String>);

fn verify<'a>(
    (secrets, url): &'a Verifier,
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

async fn receive_event(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Webhook = call.operation else {
        return Err(Problem::internal("the call belongs to another function"));
    };
    let unknown = || {
        Problem::new(
            ProblemCode::RouteNotFound,
            "This deployment accepts no webhook events of this provider.",
        )
    };
    let sender = Sender::parse(call.path_parameter()).ok_or_else(unknown)?;
    let body = call.webhook_bytes()?;
    let headers = call.text_headers();
    let now = app.clock.now();
    let mut secrets = app.secrets.current().await.map_err(|error| {
        Problem::new(ProblemCode::AuthUnavailable, "Try again in a moment.").with_cause(error)
    })?;
    let mut verifier = secrets.of(sender);
    // The provider's first secret may have been added since the last read.
    if verifier.is_none()
        && let Some(newer) = app.secrets.replacement(&secrets).await
    {
        verifier = newer.of(sender);
        secrets = newer;
    }
    let verifier = verifier.ok_or_else(unknown)?;
    let renewed;
    let verified = match verify(&verifier, &headers, body, now) {
        Err(Rejection::Signature) => match app.secrets.replacement(&secrets).await {
            Some(newer) => {
                renewed = newer.of(sender).ok_or_else(unknown)?;
                verify(&renewed, &headers, body, now)
            }
            None => Err(Rejection::Signature),
        },
        result => result,
    };
    let verified = verified.map_err(|rejection| rejection_problem(sender, rejection))?;
    let Sender::Provider(provider) = sender else {
        return receive_report(app, &verified).await;
    };
    let signals = payment_webhooks::events(&verified, &app.settings.deployment)
        .into_iter()
        .map(|event| PaymentEventSignal {
            grace: Some(app.settings.grace),
            ..PaymentEventSignal::new(event)
        });
    app.orders.send_payment_events(signals).await?;
    Ok(match provider {
        // The exact body that Adyen requires.
        WebhookProvider::Adyen => ApiResponse::file("text/plain; charset=utf-8", "[accepted]"),
        // The response of GoCardless's own libraries.
        WebhookProvider::GoCardless => ApiResponse::no_content(),
        WebhookProvider::Stripe
        | WebhookProvider::Standard
        | WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => ApiResponse::file("text/plain; charset=utf-8", "accepted"),
    })
}

/// Passes the report of a carrier on to its order.
async fn receive_report(app: &App, verified: &Verified<'_>) -> Result<ApiResponse, Problem> {
    let message_id = verified.message_id().unwrap_or_default();
    let report = TrackingReport::parse(message_id, verified.body())
        .map_err(|error| Problem::new(ProblemCode::InvalidRequest, error.to_string()))?;
    if let Some(report) = report {
        app.orders.report_tracking(&report).await?;
    }
    Ok(ApiResponse::file("text/plain; charset=utf-8", "accepted"))
}

fn rejection_problem(sender: Sender, rejection: Rejection) -> Problem {
    let code = match sender {
        // GoCardless reports this status to its users as an invalid token.
        Sender::Provider(WebhookProvider::GoCardless) => ProblemCode::WebhookTokenInvalid,
        Sender::Provider(
            WebhookProvider::Stripe
            | WebhookProvider::Adyen
            | WebhookProvider::Standard
            | WebhookProvider::Square
            | WebhookProvider::Mollie
            | WebhookProvider::Checkout
            | WebhookProvider::Shopify,
        )
        | Sender::Carrier => ProblemCode::WebhookRejected,
    };
    let detail = match rejection {
        Rejection::Header => "The signature is missing or malformed.",
        Rejection::Signature => "The signature does not match this body.",
        Rejection::Timestamp => "The signature's time is too far in the past or in the future.",
    };
    Problem::webhook_rejected(code, rejection.as_str(), detail)
}
