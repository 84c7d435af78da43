//! Secrets that change while the function runs: every genuine event is accepted, and no process
//! restarts.

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

fn secret_of_generation(provider: WebhookProvider, generation: u8) -> String {
    made_up(provider, &[generation; 32])
}

/// Replaces the file atomically, as an operator should.
fn replace_file(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, file).unwrap();
}

/// Returns lines with these generations of each provider's secret.
pub(super) fn secret_lines(generations: &[u8]) -> String {
    let line = |provider: &WebhookProvider| {
        let secrets: Vec<_> = generations
            .iter()
            .map(|generation| secret_of_generation(*provider, *generation))
            .collect();
        format!("{}={}\n", secrets_variable(*provider), secrets.join(","))
    };
    PROVIDERS.iter().map(line).collect()
}

/// Sends a genuine event, signed with this generation of the secret.
pub(super) async fn send_signed_event(
    harness: &Harness,
    provider: WebhookProvider,
    generation: u8,
) -> ApiResponse {
    // Each event is new, because all tests share one Temporal server.
    static SENT: AtomicU32 = AtomicU32::new(0);
    let id = format!("rotation-{}", SENT.fetch_add(1, Ordering::Relaxed));
    let secrets = Secrets::parse(provider, &secret_of_generation(provider, generation)).unwrap();
    let message = sign_at(
        &secrets,
        sample_event(provider, &id),
        Utc::now().timestamp(),
    );
    post_webhook(&harness.url, provider, &message).await
}

async fn assert_accepts(harness: &Harness, generation: u8) {
    for provider in PROVIDERS {
        send_signed_event(harness, provider, generation)
            .await
            .expect_accepted(provider);
    }
}

async fn assert_rejects(harness: &Harness, generation: u8) {
    for provider in PROVIDERS {
        send_signed_event(harness, provider, generation)
            .await
            .expect_rejected(provider, "signature");
    }
}

#[tokio::test]
async fn secret_file_changes_apply_while_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.env");
    replace_file(&file, &secret_lines(&[1]));
    let path = file.display().to_string();
    let harness = start_with_webhooks(&[("WEBHOOK_SECRETS_FILE", &path)]).await;
    let pid = harness.api.pid().await;
    assert_accepts(&harness, 1).await;
    assert_rejects(&harness, 2).await;
    // Both secrets, while the provider changes its secret.
    replace_file(&file, &secret_lines(&[2, 1]));
    assert_accepts(&harness, 1).await;
    assert_accepts(&harness, 2).await;
    replace_file(&file, &secret_lines(&[2]));
    assert_rejects(&harness, 1).await;
    assert_accepts(&harness, 2).await;

    // An invalid edit rejects no event and is logged once.
    let warnings = |harness: &Harness| {
        harness
            .read_log("api")
            .matches("the previous secrets stay in use")
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
        replace_file(&file, broken);
        assert_accepts(&harness, 2).await;
        assert_rejects(&harness, 1).await;
        assert_eq!(warnings(&harness), count + 1, "{broken}");
    }
    fs::remove_file(&file).unwrap();
    assert_accepts(&harness, 2).await;
    assert_accepts(&harness, 2).await;
    assert_eq!(warnings(&harness), 4);
    assert!(
        !harness.read_log("api").contains("marked"),
        "the file's text is in the log"
    );

    replace_file(&file, &secret_lines(&[3]));
    assert_accepts(&harness, 3).await;
    assert_rejects(&harness, 2).await;
    assert_eq!(
        (harness.api.pid().await, warnings(&harness)),
        (pid, 4),
        "the API process was restarted"
    );
}
