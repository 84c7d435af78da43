//! The comparison of a provider's payments with the ledger, which a worker does.

use std::time::Duration;

use temporalio_client::Client;

use crate::{Error, OrderClient, shared_run::start_on_schedule};
use domain::{Span, WebhookProvider};
use workflows::{
    ReconcileWorkflow,
    activity::{ReconcileInput, ReconcileReport},
};

/// The minute of each hour at which the workers' own comparison runs.
const HOURLY: &str = "23 * * * *";

/// The age of the oldest payment of the hourly comparison.
const DAY: u64 = 86_400;

/// The time limit of the comparison, which calls the provider.
const REPORT_TIMEOUT: Duration = Duration::from_secs(300);

impl OrderClient {
    /// Compares the provider's payments that are younger than `since` with the ledger, and returns
    /// the workflow's report. A comparison that is already running is shared.
    #[tracing::instrument(name = "temporal.reconcile", skip_all)]
    pub async fn reconcile(
        &self,
        provider: WebhookProvider,
        since: Span,
    ) -> Result<ReconcileReport, Error> {
        let run: fn() -> _ = || ReconcileWorkflow::run;
        let workflow = (run, format!("reconcile-{provider}"));
        let input = ReconcileInput { provider, since };
        self.run_shared("comparison", workflow, input, REPORT_TIMEOUT)
            .await
    }
}

/// Starts the comparison of the last day, every hour, unless it was started before.
pub async fn reconcile_hourly(
    client: &Client,
    task_queue: String,
    provider: WebhookProvider,
) -> Result<(), String> {
    let id = format!("reconcile-hourly-{provider}");
    let input = ReconcileInput {
        provider,
        since: Span::from_secs(DAY),
    };
    let workflow = (ReconcileWorkflow::run, id, task_queue);
    start_on_schedule(client, workflow, input, HOURLY).await
}
