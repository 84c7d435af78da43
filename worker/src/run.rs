//! Runs the worker until it is stopped.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use futures::future::try_join_all;
use temporalio_common::telemetry::TelemetryOptions;
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    runtime::{
        AutoscalingOptions, PollerBehavior, RuntimeOptions,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    WorkerSettings,
    activities::{
        ClosedOrderActivities, LimitedProviders, OrderActivities, RecallActivities,
        RecoveryActivities, RefundActivities, ReturnActivities, SettlementActivities,
        ShippingActivities,
    },
    activity_metrics::Measured,
    carrier::{self, Carrier, CarrierSettings, HttpCarrier},
    endpoints,
    fault_injection::{FlakyCarrier, FlakyProvider},
    health, mail,
    payment::{
        Adyen, ChargingSettings, PaymentProvider, ProviderSettings, Providers, Simulator, Stripe,
    },
    status_report, temporal_credential,
    time_limit::TimeLimit,
    traces::workflow_traces,
};
use domain::{Span, WebhookProvider};
use order_client::{Client, OrderClient, SdkMetrics, reconcile_hourly, recover_hourly};
use store::PgPool;
use workflows::{
    ClosedOrderWorkflow, OrderWorkflow, ReconcileWorkflow, RecorderWorkflow, RecoveryWorkflow,
    RefundWorkflow, ReturnWorkflow, SettlementWorkflow, ShippingWorkflow, request_quota,
};

/// The name of the worker in its traces.
pub const SERVICE: &str = "orderflow-worker";

/// Serves the task queues until SIGTERM or Ctrl-C, then lets running tasks finish within the grace
/// period.
pub async fn run(settings: WorkerSettings) -> anyhow::Result<()> {
    let ended = serve(settings).await;
    telemetry::flush_traces().await;
    ended
}

async fn serve(settings: WorkerSettings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let pool = settings.database.pool().await?;
    store::limit_statements(&pool, STATEMENT_TIME, LOCK_TIME);
    let metrics = SdkMetrics::start().context("failed to set up the SDK's metrics")?;
    let temporal = settings.temporal.clone().with_metrics(&metrics);
    let client = order_client::connect_worker(&temporal)
        .await
        .with_context(|| {
            format!(
                "Temporal is unavailable at {}; start it or set TEMPORAL_ADDRESS",
                settings.temporal.address()
            )
        })?;
    if settings.queues.orders {
        start_reconciliation(&settings, &client).await;
        start_recovery(&settings, &client).await;
    }
    let telemetry_options = TelemetryOptions::builder()
        .metrics(metrics.core_meter())
        .build();
    let runtime_options = RuntimeOptions::builder().telemetry_options(telemetry_options);
    let runtime_options = runtime_options.build().map_err(anyhow::Error::msg)?;
    let runtime = Runtime::from_current_tokio(runtime_options)?;
    let mut workers = worker_options(&settings, &pool)?
        .into_iter()
        .map(|options| Worker::new(&runtime, client.clone(), options).map_err(anyhow::Error::from))
        .collect::<Result<Vec<_>, _>>()?;
    let stop: Vec<_> = workers.iter().map(Worker::shutdown_handle).collect();
    let health = async {
        match settings.health {
            Some(address) => {
                health::serve_health(
                    TcpListener::bind(address).await?,
                    OrderClient::new(settings.temporal.clone()),
                    pool.clone(),
                    metrics.clone(),
                )
                .await
            }
            None => std::future::pending().await,
        }
    };
    let (end, ending) = watch::channel(false);
    let mut ended = ending.clone();
    // On a separate connection, which can fail without affecting the workers.
    let reporting = status_report::report_status(
        OrderClient::new(settings.temporal.clone()),
        pool.clone(),
        settings.report,
        temporal_credential::find_expiry(&settings.temporal),
        ending.clone(),
    );
    let asked = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
            // If the worker of one queue fails, all others stop.
            _ = ended.wait_for(|ended| *ended) => {}
        }
        tracing::info!("stopping: running tasks may finish");
        stop.iter().for_each(|stop| stop());
        end.send_replace(true);
    };
    // The worker that serves orders also sends mails, and messages to endpoints.
    let mailing = async {
        if settings.queues.orders {
            let mails = mail::run_outbox(
                pool.clone(),
                settings.mail.clone(),
                settings.grace,
                ending.clone(),
            );
            let messages = endpoints::run_outbox(
                pool.clone(),
                settings.endpoints.clone(),
                settings.grace,
                ending,
            );
            futures::join!(mails, messages);
        }
    };
    tracing::info!(queues = ?settings.queues, "the worker is running");
    // The SDK's workers are not `Send`, so they share this task.
    let working = async {
        let worked = try_join_all(workers.iter_mut().map(|worker| worker.run())).await;
        end.send_replace(true);
        worked
    };
    let mut served = std::pin::pin!(futures::future::join4(asked, mailing, reporting, working));
    tokio::select! {
        (_, _, _, worked) = &mut served => worked.map(|_| ()).context("the worker of a task queue stopped"),
        never = settings.database.keep_tokens_fresh() => match never {},
        refused = health => refused.context("the health endpoint failed; is its address free? (ORDERFLOW_HEALTH_ADDRESS)"),
    }
}

/// The time that a task waits for the worker that has the workflow cached. Under load, tasks wait for
/// seconds; a worker without the workflow would replay its history, which adds to the load. The caller
/// of an update waits for 17 s, so it gets its answer also after a killed worker.
const STICKY: Duration = Duration::from_secs(5);

/// The number of concurrent local activities per queue, each with one database connection.
pub(crate) const LOCAL_SLOTS: u32 = 20;

/// The number of concurrent regular activities per queue. Most of them wait for a payment provider or
/// a carrier, without a database connection.
const REGULAR_SLOTS: usize = 200;

/// The limits of a statement and of its wait for a lock; less than the 3 s of the shortest activity,
/// which then retries. Otherwise its statement would stay in the queue for the lock.
const STATEMENT_TIME: Duration = Duration::from_millis(2_500);
const LOCK_TIME: Duration = Duration::from_secs(2);

/// Starts the hourly comparison with each provider that has a list of its payments. A failure is
/// only logged: the next worker that starts tries again.
async fn start_reconciliation(settings: &WorkerSettings, client: &Client) {
    let ChargingSettings::Stripe(_) = settings.payment.charging else {
        return;
    };
    let queue = settings.temporal.orders_task_queue.clone();
    if let Err(error) = reconcile_hourly(client, queue, WebhookProvider::Stripe).await {
        tracing::warn!("failed to start the hourly comparison with Stripe: {error}");
    }
}

/// The time for which a row must be unchanged, and its workflow closed, before the order counts as
/// lost. It is far above the time of a failover, a reset and an activity.
const LOST_AFTER: Span = Span::from_secs(600);

/// Starts the hourly search for lost workflows. A failure is only logged: the next worker that starts
/// tries again.
async fn start_recovery(settings: &WorkerSettings, client: &Client) {
    let queue = settings.temporal.orders_task_queue.clone();
    if let Err(error) = recover_hourly(client, queue, LOST_AFTER).await {
        tracing::warn!("failed to start the hourly search for lost workflows: {error}");
    }
}

fn create_providers(settings: &ProviderSettings, pool: &PgPool) -> anyhow::Result<Providers> {
    let charging: Arc<dyn PaymentProvider> = match &settings.charging {
        ChargingSettings::Simulator => Arc::new(Simulator::new(pool.clone())),
        ChargingSettings::Stripe(stripe) => Arc::new(Stripe::new(stripe.clone())?),
    };
    let providers = Providers::new(charging);
    Ok(match &settings.adyen {
        Some(adyen) => providers.with(Arc::new(Adyen::new(adyen.clone())?)),
        None => providers,
    })
}

/// The contents of each task queue's worker.
fn worker_options(settings: &WorkerSettings, pool: &PgPool) -> anyhow::Result<Vec<WorkerOptions>> {
    let temporal = &settings.temporal;
    let mut options = Vec::new();
    if settings.queues.orders {
        let mut providers = create_providers(&settings.payment, pool)?;
        if let Some(flaky) = settings.flaky {
            providers = providers.map(|provider| Arc::new(FlakyProvider { provider, flaky }));
        }
        let providers = Arc::new(LimitedProviders::new(providers, settings.payment_calls));
        let settlements = SettlementActivities {
            pool: pool.clone(),
            providers: providers.clone(),
        };
        let refunds = RefundActivities {
            pool: pool.clone(),
            providers: providers.clone(),
            temporal: OrderClient::new(temporal.clone()),
        };
        let returns = ReturnActivities { pool: pool.clone() };
        let activities = OrderActivities {
            pool: pool.clone(),
            providers,
            default_stock: settings.default_stock,
        };
        let recalls = RecallActivities {
            pool: pool.clone(),
            temporal: OrderClient::new(temporal.clone()),
        };
        let recovery = RecoveryActivities {
            pool: pool.clone(),
            temporal: OrderClient::new(temporal.clone()),
        };
        let closed = ClosedOrderActivities { pool: pool.clone() };
        let orders = WorkerOptions::new(temporal.orders_task_queue.clone())
            .register_activities(activities)
            .register_activities(closed)
            .register_activities(settlements)
            .register_activities(recalls)
            .register_activities(recovery)
            .register_activities(refunds)
            .register_activities(returns)
            .activity_inbound_interceptor(Measured::new(pool.clone()));
        let orders = orders.register_workflow_interceptors(vec![request_quota()]);
        options.push(
            orders
                .register_workflow::<OrderWorkflow>()?
                .register_workflow::<SettlementWorkflow>()?
                .register_workflow::<ReconcileWorkflow>()?
                .register_workflow::<RecoveryWorkflow>()?
                .register_workflow::<RecorderWorkflow>()?
                .register_workflow::<ClosedOrderWorkflow>()?
                .register_workflow::<RefundWorkflow>()?
                .register_workflow::<ReturnWorkflow>()?
                .build(),
        );
    }
    if settings.queues.shipping {
        let mut carrier: Arc<dyn Carrier> = match &settings.carrier {
            CarrierSettings::Simulator => Arc::new(carrier::Simulator::new(pool.clone())),
            CarrierSettings::Http(http) => Arc::new(HttpCarrier::new(http.clone())?),
        };
        if let Some(flaky) = settings.flaky {
            carrier = Arc::new(FlakyCarrier { carrier, flaky });
        }
        let activities = ShippingActivities {
            pool: pool.clone(),
            carrier,
        };
        let shipping = WorkerOptions::new(temporal.shipping_task_queue.clone())
            .register_activities(activities)
            .activity_inbound_interceptor(Measured::new(pool.clone()));
        options.push(shipping.register_workflow::<ShippingWorkflow>()?.build());
    }
    for options in &mut options {
        for interceptor in workflow_traces() {
            options.workflow_interceptor(interceptor);
        }
        options.activity_inbound_interceptor(TimeLimit);
        if let Some(flaky) = settings.flaky {
            options.activity_inbound_interceptor(flaky);
        }
        options.deployment_options = settings.versioning.deployment_options();
        options.tuner = slot_tuner().into();
        options.workflow_task_poller_behavior = Some(poller_behavior());
        options.activity_task_poller_behavior = Some(poller_behavior());
        options.max_cached_workflows = 2_000;
        options.sticky_queue_schedule_to_start_timeout = STICKY;
        options.graceful_shutdown_period = Some(settings.grace);
    }
    Ok(options)
}

fn slot_tuner() -> TunerHolder {
    TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(REGULAR_SLOTS))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(LOCAL_SLOTS as usize))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build()
}

fn poller_behavior() -> PollerBehavior {
    PollerBehavior::Autoscaling(
        AutoscalingOptions::builder()
            .minimum(2)
            .maximum(20)
            .initial(5)
            .build(),
    )
}
