//! Secrets that change while the function runs: nobody is turned away in between, and nothing is started again.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use chrono::Utc;

use super::{post_webhook, sample_event, sign_at, start_with_webhooks};
use crate::{api::ApiResponse, harness::Harness};
use domain::WebhookProvider;
use payment_webhooks::{Secrets, made_up, secrets_variable};

const PROVIDERS: [WebhookProvider; 3] = [
    WebhookProvider::Stripe,
    WebhookProvider::Adyen,
    WebhookProvider::Mollie,
];

fn of(provider: WebhookProvider, generation: u8) -> String {
    made_up(provider, &[generation; 32])
}

/// As an operator should: written beside and put in place at once.
fn write(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, file).unwrap();
}

/// Lines with these generations of each provider's secret.
pub(super) fn secret_lines(generations: &[u8]) -> String {
    let line = |provider: &WebhookProvider| {
        let secrets: Vec<_> = generations
            .iter()
            .map(|generation| of(*provider, *generation))
            .collect();
        format!("{}={}\n", secrets_variable(*provider), secrets.join(","))
    };
    PROVIDERS.iter().map(line).collect()
}

/// A genuine notification, signed with that generation.
pub(super) async fn send_signed_event(
    world: &Harness,
    provider: WebhookProvider,
    generation: u8,
) -> ApiResponse {
    // Another event each time, since all worlds share one Temporal.
    static SENT: AtomicU32 = AtomicU32::new(0);
    let id = format!("rotation-{}", SENT.fetch_add(1, Ordering::Relaxed));
    let secrets = Secrets::parse(provider, &of(provider, generation)).unwrap();
    let message = sign_at(
        &secrets,
        sample_event(provider, &id),
        Utc::now().timestamp(),
    );
    post_webhook(&world.url, provider, &message).await
}

async fn takes(world: &Harness, generation: u8) {
    for provider in PROVIDERS {
        send_signed_event(world, provider, generation)
            .await
            .expect_accepted(provider);
    }
}

async fn refuses(world: &Harness, generation: u8) {
    for provider in PROVIDERS {
        send_signed_event(world, provider, generation)
            .await
            .expect_rejected(provider, "signature");
    }
}

#[tokio::test]
async fn secret_file_changes_apply_while_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.env");
    write(&file, &secret_lines(&[1]));
    let path = file.display().to_string();
    let world = start_with_webhooks(&[("WEBHOOK_SECRETS_FILE", &path)]).await;
    let pid = world.api.pid().await;
    takes(&world, 1).await;
    refuses(&world, 2).await;
    // Both, while the provider changes over.
    write(&file, &secret_lines(&[2, 1]));
    takes(&world, 1).await;
    takes(&world, 2).await;
    write(&file, &secret_lines(&[2]));
    refuses(&world, 1).await;
    takes(&world, 2).await;

    // An edit that went wrong turns nobody away, and is told once.
    let told = |world: &Harness| {
        world
            .read_log("api")
            .matches("the secrets of before are used")
            .count()
    };
    for (count, broken) in [
        "",
        "WEBHOOK_SECRETS_ADYEN=marked-and-not-hexadecimal\n",
        "marked: no line\n",
    ]
    .iter()
    .enumerate()
    {
        write(&file, broken);
        takes(&world, 2).await;
        refuses(&world, 1).await;
        assert_eq!(told(&world), count + 1, "{broken}");
    }
    fs::remove_file(&file).unwrap();
    takes(&world, 2).await;
    takes(&world, 2).await;
    assert_eq!(told(&world), 4);
    assert!(
        !world.read_log("api").contains("marked"),
        "the file's text is in the log"
    );

    write(&file, &secret_lines(&[3]));
    takes(&world, 3).await;
    refuses(&world, 2).await;
    assert_eq!(
        (world.api.pid().await, told(&world)),
        (pid, 4),
        "the API was started again"
    );
}
