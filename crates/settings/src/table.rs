//! The table: one entry for each environment variable that a program of this project reads.
//!
//! After a change, renew the pages with `UPDATE_SETTINGS=1 cargo test --package orderflow-settings`.

use crate::{
    Section, Setting,
    setting::{
        Allowed::{AnyCase, Choice, Duration, PositiveDuration, Text},
        Program::{
            self, Admin, CommandLine, Events, Gateway, Migrate, Query, Signal, Start, Web, Webhook,
            Worker,
        },
    },
};

/// Programs that connect to Temporal.
const TEMPORAL_CLIENTS: &[Program] = &[
    Worker,
    Start,
    Signal,
    Query,
    Events,
    Webhook,
    Migrate,
    Gateway,
    CommandLine,
];
/// Programs that connect to the database.
const DATABASE_CLIENTS: &[Program] = &[Worker, Query, Events, Admin, Migrate, Gateway, CommandLine];
/// Programs that serve the API.
const API: &[Program] = &[Start, Signal, Query, Events, Admin, Webhook, Web, Gateway];
/// Programs that log.
const LOGGING: &[Program] = &[
    Worker,
    Start,
    Signal,
    Query,
    Events,
    Admin,
    Webhook,
    Web,
    Migrate,
    Gateway,
    CommandLine,
];
/// Programs that record traces.
const TRACED: &[Program] = &[
    Worker, Start, Signal, Query, Events, Admin, Webhook, Gateway,
];
const WORKER: &[Program] = &[Worker];
/// The function that prepares the database for a release.
const MIGRATE: &[Program] = &[Migrate];
const ORDERS: &[Program] = &[Start, Gateway];
const GATEWAY: &[Program] = &[Gateway];
/// Programs that find late orders.
const LATE_ORDERS: &[Program] = &[Worker, Events, Gateway];
const WEBHOOKS: &[Program] = &[Webhook, Gateway];
/// `orderflow webhook send` signs with the secrets of the API.
const WEBHOOK_SECRETS: &[Program] = &[Webhook, Gateway, CommandLine];
const COMMAND_LINE: &[Program] = &[CommandLine];
/// Programs that call AWS.
const AWS_CLIENTS: &[Program] = &[
    Worker,
    Start,
    Signal,
    Query,
    Events,
    Admin,
    Webhook,
    Migrate,
    Gateway,
    CommandLine,
];
/// Programs that read secrets of AWS Secrets Manager, if a setting names one.
const SECRETS_READERS: &[Program] = AWS_CLIENTS;
/// Programs that check the addresses of endpoints.
const ENDPOINTS: &[Program] = &[Worker, Admin, Gateway];
/// Variables for other programs, such as a shell or a script.
const NO_PROGRAM: &[Program] = &[];

const SWITCH: crate::Allowed = Choice(&["on", "off"]);
const PEM_FILE: crate::Allowed = Text("the path of a PEM file");
const PEM: crate::Allowed = Text("PEM text");
const SECRET_ARN: crate::Allowed = Text("arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME");
const PROVIDER_SECRETS: crate::Allowed =
    Text("secrets as the provider shows them, separated by commas");

macro_rules! settings {
    ($($section:ident {$(
        $name:ident($description:literal, $allowed:expr, $readers:expr)
            $(.$option:ident($($value:literal)?))*;
    )*})*) => {
        $($(
            #[doc = $description]
            pub static $name: Setting =
                Setting::new(stringify!($name), Section::$section, $description, $allowed, $readers)
                    $(.$option($($value)?))*;
        )*)*

        /// All settings in the order of the page.
        pub static ALL: &[&Setting] = &[$($(&$name),*),*];
    };
}

settings! {
    Temporal {
        TEMPORAL_ADDRESS("Address of Temporal's frontend.", Text("HOST:PORT, such as 127.0.0.1:7233"), TEMPORAL_CLIENTS)
            .default("127.0.0.1:7233");
        TEMPORAL_TARGET("Alias of `TEMPORAL_ADDRESS`; ignored if both are set.", Text("HOST:PORT"), TEMPORAL_CLIENTS);
        TEMPORAL_NAMESPACE("Namespace of the orders.", Text("a namespace"), TEMPORAL_CLIENTS)
            .default("default");
        TEMPORAL_API_KEY("API key of Temporal Cloud; turns TLS on.", Text("an API key"), TEMPORAL_CLIENTS)
            .secret();
        TEMPORAL_API_KEY_SECRET_ARN("Secret of AWS Secrets Manager with the API key.", SECRET_ARN, TEMPORAL_CLIENTS);
        TEMPORAL_TLS("TLS for connections to Temporal.", Text("true, false"), TEMPORAL_CLIENTS)
            .default_note("`true` if a key or a certificate is set");
        TEMPORAL_TLS_SERVER_CA_CERT_PATH("Certificate authority of Temporal's certificate.", PEM_FILE, TEMPORAL_CLIENTS)
            .default_note("those of the system");
        TEMPORAL_TLS_SERVER_CA_CERT_DATA("The same certificate, as PEM text.", PEM, TEMPORAL_CLIENTS);
        TEMPORAL_TLS_SERVER_CA_SECRET_ARN("Secret of AWS Secrets Manager with the same text.", SECRET_ARN, TEMPORAL_CLIENTS);
        TEMPORAL_TLS_SERVER_NAME("Name in Temporal's certificate.", Text("a host name"), TEMPORAL_CLIENTS)
            .default_note("host of the address");
        TEMPORAL_TLS_CLIENT_CERT_PATH("Client certificate for mTLS.", PEM_FILE, TEMPORAL_CLIENTS);
        TEMPORAL_TLS_CLIENT_CERT_DATA("The same certificate, as PEM text.", PEM, TEMPORAL_CLIENTS);
        TEMPORAL_TLS_CLIENT_KEY_PATH("Key of the client certificate.", PEM_FILE, TEMPORAL_CLIENTS);
        TEMPORAL_TLS_CLIENT_KEY_DATA("The same key, as PEM text.", PEM, TEMPORAL_CLIENTS)
            .secret();
        TEMPORAL_TLS_CLIENT_SECRET_ARN("Secret of AWS Secrets Manager with certificate and key, as JSON.", SECRET_ARN, TEMPORAL_CLIENTS);
        TEMPORAL_CONFIG_FILE("Temporal's configuration file; read only if set.", Text("the path of a TOML file"), TEMPORAL_CLIENTS);
        TEMPORAL_PROFILE("Profile in Temporal's configuration file.", Text("a profile"), TEMPORAL_CLIENTS);
        ORDER_TASK_QUEUE("Task queue of orders.", Text("a name"), TEMPORAL_CLIENTS)
            .default("orders-tq");
        SHIPPING_TASK_QUEUE("Task queue of shipping.", Text("a name"), TEMPORAL_CLIENTS)
            .default("shipping-tq");
    }
    Database {
        DATABASE_URL("PostgreSQL database; if set, `up` and `demo` start no server.", Text("postgres://USER:PASSWORD@HOST:PORT/NAME"), DATABASE_CLIENTS)
            .secret().default_note("none; the local stack starts a server");
        DATABASE_URL_SECRET_ARN("Secret of AWS Secrets Manager with the URL, as an alternative.", SECRET_ARN, &[Query, Events, Admin, Gateway]);
        DATABASE_PASSWORD_SECRET_ARN("Secret of RDS with the password of the database's owner.", SECRET_ARN, MIGRATE);
        DATABASE_IAM_AUTH("Login to RDS with a token: always, or after a refused password.", Choice(&["on", "off", "fallback"]), DATABASE_CLIENTS)
            .default("off");
    }
    Worker {
        WORKER_QUEUES("Task queues that this worker serves.", Text("orders, shipping or both, separated by a comma"), WORKER)
            .default("orders,shipping");
        TEMPORAL_WORKER_BUILD_ID("Name of this build, which each task reports.", Text("a name"), WORKER)
            .default_note("hash of the program");
        TEMPORAL_DEPLOYMENT_NAME("Deployment for Worker Versioning; unset turns it off.", Text("a name without . and : that does not begin with __"), WORKER);
        WORKER_VERSIONING_BEHAVIOR("Build that finishes an order: the first or the current.", Choice(&["pinned", "auto-upgrade"]), WORKER)
            .default("pinned");
        ORDERFLOW_HEALTH_ADDRESS("Address of the worker's `/health` and `/metrics`.", Text("IP:PORT, such as 0.0.0.0:8081"), WORKER)
            .default_note("none; `127.0.0.1:8081` in the worker image");
        DEFAULT_STOCK("Opening stock of a SKU at its first reservation.", Text("a whole number from 0"), WORKER)
            .default("0").local("1000000");
        PAYMENT_CALLS("Concurrent calls of a worker to one payment provider.", Text("a whole number from 1"), WORKER)
            .default("50");
        ORDERS_LATE_AFTER("Time without progress after which an order is late, unless a wait explains it.", PositiveDuration, LATE_ORDERS)
            .default("15m");
        PAYMENT_ATTENTION_AFTER("Age from which an entry of the money work list is logged and counted.", PositiveDuration, WORKER)
            .default("1h");
        REPORT_EVERY("Interval of the worker's status report.", PositiveDuration, WORKER)
            .default("1m");
        FLAKY("Shares of external calls that fail or hang, for tests.", Text("fail:SHARE,hang:SHARE,hang_for:DURATION with shares that add up to at most 1"), WORKER)
            .default_note("no faults");
    }
    Api {
        READS("Source of orders: the workflow or its projection.", Choice(&["workflow", "database"]), &[Query, Gateway])
            .default("workflow");
        LONG_POLLING("Waits of `Prefer: wait=N`; `off` ignores the preference.", SWITCH, &[Query, Events, Gateway])
            .default("on");
        SAMPLE_CART("One sample item for an order without items.", SWITCH, ORDERS)
            .default("off").local("on");
        ALLOW_PROFILE_OVERRIDE("Permission for a request to name a profile.", SWITCH, ORDERS)
            .default("off").local("on");
        ORDERFLOW_HTTP_ADDRESS("Address of the local gateway.", Text("HOST:PORT"), GATEWAY)
            .default("127.0.0.1:8000");
        ORDERFLOW_METRICS_ADDRESS("Address of the local gateway's `/metrics`.", Text("HOST:PORT"), GATEWAY)
            .default_note("none; port 9464 or a free one in the local stack");
        CORS_ORIGINS("Origins of web pages that may call the API.", Text("https://HOST, several separated by commas"), API)
            .default_note("none");
        RATE_LIMIT("Calls of each client; in AWS the template limits the stage.", Text("off, or RATE/UNIT or RATE/UNIT:BURST with unit s, m or h"), GATEWAY)
            .default("off");
    }
    Orders {
        ORDER_PROFILE("Profile; it sets the defaults of this section.", Choice(&["production", "lifecycle", "approval", "quick", "checkout"]), ORDERS)
            .default("production");
        REVIEW("Review of an order before its charge.", Choice(&["none", "timer", "approval"]), ORDERS)
            .default("approval");
        REVIEW_THRESHOLDS("Smallest totals that are reviewed; other currencies are not reviewed.", Text("amounts by currency, such as USD:10000,EUR:9000"), ORDERS)
            .default("USD:10000,EUR:10000,GBP:10000,JPY:1500000");
        REVIEW_THRESHOLD("Earlier setting: the limit of currencies not in `REVIEW_THRESHOLDS`.", Text("an amount, such as 99.99"), ORDERS)
            .default_note("none");
        MANUAL_REVIEW_TIMEOUT("Longest time of a review.", Duration, ORDERS)
            .default("24h");
        REVIEW_ON_TIMEOUT("Decision when a review times out.", Choice(&["proceed", "cancel"]), ORDERS)
            .default("cancel");
        PAYMENT("Payment by charge or confirmation; `auto` charges if there is a `payment_id`.", Choice(&["charge", "confirm", "auto"]), ORDERS)
            .default("auto");
        PAYMENT_TIMEOUT("Longest wait for a payment confirmation.", Duration, ORDERS)
            .default("24h");
        PAYMENT_PROCESSING_TIMEOUT("Longest wait for a slow payment method, such as a bank debit.", Duration, ORDERS)
            .default("14d");
        HELD_PER_ORDER("Most units of one order of a customer's caller.", Text("a whole number from 1"), ORDERS)
            .default("100");
        HELD_PER_CUSTOMER("Most units of all unpaid orders of a customer, for orders of its caller.", Text("a whole number from 1"), ORDERS)
            .default("200");
        RESERVATION_TIMEOUT("Time after which an unpaid order of a customer's caller releases its stock.", Duration, ORDERS)
            .default("30m");
        PAYMENT_PARTIAL("Payment below the total: wait for the rest, or refund it.", Choice(&["collect", "refund"]), ORDERS)
            .default("collect");
        CAPTURE("Time of the capture: with the payment, or after dispatch.", Choice(&["immediate", "on_dispatch"]), ORDERS)
            .default("immediate");
        HOLD_ON_DISPUTE("Hold an order before dispatch when its payment is disputed or suspicious.", Choice(&["on", "off"]), ORDERS)
            .default("on");
        PAYMENT_RETRY_FOR("Time to retry a charge while the provider is down.", Duration, ORDERS)
            .default("10m");
        PAYMENT_PROCESSING_DELAY("Pause before the charge.", Duration, ORDERS)
            .default("0s");
        SHIPPING_DELAY("Pause before shipping.", Duration, ORDERS)
            .default("0s");
        COMPLETE_ON("Event that completes an order.", Choice(&["dispatched", "delivered"]), ORDERS)
            .default("delivered");
        DELIVERY("Delivery confirmation: by a caller or the carrier within 14 days, or by a timer.", Text("confirm, or auto:DURATION such as auto:2s"), ORDERS)
            .default("confirm");
        DELIVERY_ESTIMATE("Estimated time from dispatch to delivery.", Duration, &[Start, Query, Gateway])
            .default("3d");
        ORDER_DEADLINE("Time limit of an order until its dispatch.", Text("none, or a duration such as 60s"), ORDERS)
            .default("none");
    }
    Payments {
        PAYMENT_PROVIDER("Provider that charges and refunds.", Choice(&["simulator", "stripe"]), &[Worker, Start, Gateway])
            .default("simulator");
        STRIPE_API_KEY("Key for Stripe, required by `PAYMENT_PROVIDER=stripe`.", Text("a restricted key rk_… (or a secret key sk_…)"), WORKER)
            .secret();
        STRIPE_API_KEY_FILE("File with the key, as an alternative to `STRIPE_API_KEY`.", Text("the path of a file"), WORKER);
        STRIPE_API_BASE("Address of Stripe's API.", Text("https://HOST, or http://HOST of this machine"), WORKER)
            .default("https://api.stripe.com");
        ADYEN_API_KEY("Key for Adyen's Checkout API, to capture, refund and cancel payments at Adyen.", Text("an API key"), WORKER)
            .secret();
        ADYEN_API_KEY_FILE("File with the key, as an alternative to `ADYEN_API_KEY`.", Text("the path of a file"), WORKER);
        ADYEN_MERCHANT_ACCOUNT("Merchant account of the payments at Adyen, required by `ADYEN_API_KEY`.", Text("the name of a merchant account"), WORKER);
        ADYEN_API_BASE("Address of Adyen's Checkout API with its version; a live account has its own.", Text("https://HOST/PATH, or http://HOST/PATH of this machine"), WORKER)
            .default("https://checkout-test.adyen.com/v71");
    }
    Carrier {
        CARRIER_URL("Bridge to a carrier (docs/carriers.md); unset simulates one.", Text("https://HOST/PATH, or http://HOST/PATH of this machine"), WORKER);
        CARRIER_SECRET("Secret that signs the calls to `CARRIER_URL`.", Text("whsec_ and base64"), WORKER)
            .secret();
        CARRIER_SECRET_FILE("File with the secret, as an alternative to `CARRIER_SECRET`.", Text("the path of a file"), WORKER);
        CARRIER_NAME("Name of the carrier in responses and mails.", Text("letters, digits, - and _"), WORKER)
            .default("carrier");
    }
    Mail {
        MAIL("Sending of mail; `off` discards mails; a value that begins with `/` is ignored.", Choice(&["smtp", "off"]), WORKER)
            .default_note("`smtp` with `SMTP_URL`; without it, mails stay pending");
        SMTP_URL("Mail server.", Text("smtps://USER:PASSWORD@HOST:PORT, or smtp:// with an optional ?tls=required"), WORKER)
            .secret().default_note("none; a mailbox in the local stack");
        SMTP_USERNAME("User name, unless `SMTP_URL` has one.", Text("a user name"), WORKER);
        SMTP_PASSWORD("Password, unless `SMTP_URL` has one.", Text("a password"), WORKER)
            .secret();
        SMTP_CA_FILE("Additional trusted certificate.", PEM_FILE, WORKER);
        MAIL_FROM("Sender; required for mail.", Text("an address, such as Shop <orders@example.com>"), WORKER);
        MAIL_REPLY_TO("Address for replies.", Text("an address, such as Shop <orders@example.com>"), WORKER);
        MAIL_DELAY("Delay between an audit event and its mail.", Duration, WORKER)
            .default("15s");
    }
    Access {
        API_AUTH("Credential that a caller must send.", Choice(&["none", "api-key", "jwt"]), API)
            .default_note("`none`; required on Lambda");
        API_KEYS("Hashes of the accepted API keys.", Text("lines of `orderflow api-key create`, or their JSON"), API)
            .secret();
        API_KEYS_FILE("File with the API keys, as an alternative to `API_KEYS`.", Text("the path of a file"), API);
        API_KEYS_SECRET_ARN("Secret of AWS Secrets Manager with the API keys, as another alternative.", SECRET_ARN, API);
        JWT_ISSUER("Required `iss` of a token.", Text("an issuer"), API);
        JWT_AUDIENCE("Required `aud` of a token.", Text("audiences, separated by commas"), API);
        JWT_JWKS_URL("Address of the issuer's public keys.", Text("an https:// URL, or an http:// URL of this machine"), API);
        JWT_JWKS("The issuer's public keys, as an alternative to `JWT_JWKS_URL`.", Text("a JSON Web Key Set"), API);
        JWT_ALGORITHMS("Accepted signature algorithms.", Text("some of RS256, ES256, EdDSA, separated by commas"), API)
            .default("RS256,ES256,EdDSA");
        JWT_CUSTOMER_CLAIM("Claim that limits a token to one customer's orders.", Text("a name"), API)
            .default("customer_id");
        JWT_JWKS_TTL("Lifetime of fetched keys.", Duration, API)
            .default("10m");
        JWT_JWKS_PAUSE("Shortest time between two fetches of the keys.", Duration, API)
            .default("10s");
        QUOTE_JWKS_URL("Address of the public keys with which the shop signs quotes.", Text("an https:// URL, or an http:// URL of this machine"), ORDERS);
        QUOTE_JWKS("The public keys of quotes, as an alternative to `QUOTE_JWKS_URL`.", Text("a JSON Web Key Set"), ORDERS);
        QUOTE_AUDIENCE("Required `aud` of a quote.", Text("an audience"), ORDERS)
            .default("orderflow");
    }
    Webhooks {
        WEBHOOK_SECRETS_STRIPE("Signing secrets of Stripe.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_ADYEN("HMAC keys of Adyen, in hexadecimal.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_CARRIER("Secrets of the bridge to a carrier, which reports about parcels.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_STANDARD("Secrets of a provider that uses Standard Webhooks.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_SQUARE("Signature keys of Square.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_MOLLIE("Signing secrets of Mollie.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_GOCARDLESS("Endpoint secrets of GoCardless.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_CHECKOUT("Signature keys of Checkout.com.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_SECRETS_SHOPIFY("Client secrets of the Shopify app.", PROVIDER_SECRETS, WEBHOOK_SECRETS).secret();
        WEBHOOK_URL_SQUARE("Notification URL that is registered at Square and signed by it.", Text("a URL"), WEBHOOK_SECRETS)
            .default_note("none; the API's address in the local stack");
        WEBHOOK_SECRETS_FILE("File with the variables above; its values override them.", Text("the path of a file with lines such as WEBHOOK_SECRETS_STRIPE=whsec_…"), WEBHOOK_SECRETS);
        WEBHOOK_SECRETS_ARN("Secret of AWS Secrets Manager with the same lines.", SECRET_ARN, WEBHOOKS);
        WEBHOOK_ENVIRONMENT("System of Stripe and Adyen whose events count.", Choice(&["live", "test"]), WEBHOOKS)
            .default("live").local("test");
        STRIPE_ACCOUNTS("Accounts of Stripe Connect or of an organisation whose events count.", Text("acct_… ids, separated by commas"), WEBHOOKS)
            .default_note("none; events without an account always count");
        ADYEN_MERCHANT_ACCOUNTS("Merchant accounts of Adyen whose events count.", Text("names, separated by commas"), WEBHOOKS)
            .default_note("all");
        ADYEN_CAPTURE("Capture of the Adyen account: with `immediate`, AUTHORISATION means paid.", Choice(&["immediate", "manual"]), WEBHOOKS)
            .default("immediate");
        SETTLEMENT_GRACE("Time for the order of a payment to appear before a refund.", Duration, WEBHOOKS)
            .default("10m");
    }
    Endpoints {
        ENDPOINT_ADDRESSES("Addresses of endpoints: public ones with TLS, or also private ones.", Choice(&["public", "any"]), ENDPOINTS)
            .default("public").local("any");
        ENDPOINT_DELAY("Delay between an audit event and its message.", Duration, WORKER)
            .default("15s").local("1s");
        ENDPOINT_FIRST_PAUSE("Pause before the second attempt to send a message; later ones grow.", PositiveDuration, WORKER)
            .default("5s");
        ENDPOINT_LONGEST_PAUSE("Longest pause between two attempts.", PositiveDuration, WORKER)
            .default("6h");
        ENDPOINT_RETRY_FOR("Time without success after which an endpoint is disabled.", PositiveDuration, WORKER)
            .default("3d");
        EVENT_BUS_NAME("Event bus of EventBridge that also receives all messages.", Text("the name of a bus, not its ARN"), WORKER);
    }
    CommandLine {
        ORDERFLOW_URL("API that the order commands call.", Text("a URL, such as http://127.0.0.1:8000"), COMMAND_LINE)
            .default_note("the running stack's, else `http://127.0.0.1:8000`");
        ORDERFLOW_API_KEY("Credential that is sent as `X-Api-Key`.", Text("one line of text"), COMMAND_LINE)
            .secret();
        ORDERFLOW_TOKEN("Credential that is sent as `Authorization: Bearer`.", Text("one line of text"), COMMAND_LINE)
            .secret();
        ORDERFLOW_DB_INSTANCE("RDS instance of `orderflow snapshot`.", Text("the name of an instance"), COMMAND_LINE)
            .default_note("the one in `DATABASE_URL`");
        ORDERFLOW_CACHE("Folder for downloaded server programs.", Text("the path of a folder"), COMMAND_LINE)
            .default_note("`$XDG_CACHE_HOME/orderflow` or `~/.cache/orderflow`");
    }
    Logs {
        LOG_LEVEL("Lowest level that is logged.", AnyCase(&["off", "error", "warn", "warning", "info", "debug", "trace"]), LOGGING)
            .default("info").local("info");
        RUST_LOG("Levels by module, instead of `LOG_LEVEL`.", Text("directives of tracing-subscriber, such as info,worker=debug"), LOGGING);
        LOG_FORMAT("Lines for people, or one JSON object a line.", Choice(&["pretty", "json"]), LOGGING)
            .default("pretty");
        NO_COLOR("Turns colour off.", Text("any text"), LOGGING);
        CLICOLOR_FORCE("Turns colour on where the output is not a terminal.", Text("any text"), COMMAND_LINE);
    }
    Traces {
        OTEL_EXPORTER_OTLP_ENDPOINT("Address of an OpenTelemetry collector (OTLP over HTTP); unset turns traces off.", Text("a URL, such as http://127.0.0.1:4318"), TRACED);
        OTEL_EXPORTER_OTLP_HEADERS("Headers for the collector, such as a key.", Text("NAME=VALUE pairs, separated by commas"), TRACED)
            .secret();
        OTEL_TRACES_EXPORTER("Receiver of spans; `none`, as in functions on Lambda, only passes the trace on.", Choice(&["otlp", "none"]), TRACED)
            .default("otlp");
        OTEL_SERVICE_NAME("Name of the program in its traces.", Text("a name"), TRACED)
            .default_note("`orderflow-` and the name of the program");
        OTEL_TRACES_SAMPLER("Traces that are recorded; `parentbased` follows the caller's decision.", Text("always_on, always_off, traceidratio; also with the prefix parentbased_"), TRACED)
            .default("parentbased_always_on");
        OTEL_TRACES_SAMPLER_ARG("Share of traces that `traceidratio` records.", Text("a number from 0 to 1"), TRACED)
            .default("1");
    }
    Aws {
        AWS_REGION("Region of the event bus, and of the database unless its host name has one.", Text("a region"), DATABASE_CLIENTS);
        AWS_DEFAULT_REGION("Region if `AWS_REGION` is not set.", Text("a region"), DATABASE_CLIENTS);
        AWS_ACCESS_KEY_ID("Credentials; Lambda sets all three.", Text("an access key id"), AWS_CLIENTS);
        AWS_SECRET_ACCESS_KEY("Secret key of `AWS_ACCESS_KEY_ID`.", Text("a secret access key"), AWS_CLIENTS)
            .secret();
        AWS_SESSION_TOKEN("Session token of temporary credentials.", Text("a session token"), AWS_CLIENTS)
            .secret();
        AWS_ENDPOINT_URL("Address of all AWS services, for tests.", Text("a URL"), SECRETS_READERS);
        AWS_ENDPOINT_URL_SECRETS_MANAGER("Address of Secrets Manager, for tests.", Text("a URL"), SECRETS_READERS);
        SECRETS_REFRESH("Age at which a secret of Secrets Manager is read again at the latest.", PositiveDuration, SECRETS_READERS)
            .default("5m");
        AWS_LAMBDA_FUNCTION_NAME("Set by Lambda; makes `API_AUTH` required.", Text("a name"), API);
    }
    Exported {
        ORDERFLOW_LOCAL_DATABASE_URL("The stack's own database; `up` does not use it as an external database.", Text("a URL"), COMMAND_LINE)
            .secret();
        ORDERFLOW_LOCAL_SMTP_URL("The stack's own mail server; `up` does not use it as an external one.", Text("a URL"), COMMAND_LINE)
            .secret();
        ORDERFLOW_METRICS_URL("Address of the gateway's metrics.", Text("a URL"), NO_PROGRAM);
        ORDERFLOW_WORKER_METRICS_URL("Address of the worker's metrics.", Text("a URL"), NO_PROGRAM);
        ORDERFLOW_MAIL_URL("Web page of the mailbox.", Text("a URL"), NO_PROGRAM);
    }
}

/// Returns the setting with this name.
///
/// ```
/// assert_eq!(settings::find("MAIL_DELAY").unwrap().default_value(), "15s");
/// assert!(settings::find("MAIL_DELAI").is_none());
/// ```
pub fn find(name: &str) -> Option<&'static Setting> {
    ALL.iter().copied().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_is_in_the_table_once() {
        let names: BTreeSet<_> = ALL.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn defaults_and_local_values_are_allowed() {
        for setting in ALL {
            let values = [Some(setting.default), setting.local];
            for value in values
                .into_iter()
                .flatten()
                .filter(|value| !value.is_empty())
            {
                assert!(setting.allowed.accepts(value), "{}={value}", setting.name);
            }
            assert!(
                setting.default.is_empty() || setting.default_note.is_empty(),
                "{} has two defaults",
                setting.name
            );
        }
    }

    #[test]
    fn settings_of_a_section_are_listed_together() {
        let sections: Vec<_> = ALL.iter().map(|setting| setting.section).collect();
        assert!(sections.is_sorted());
    }
}
