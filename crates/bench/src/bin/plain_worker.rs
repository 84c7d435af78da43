//! The worker of the plain design (see [`bench::plain`]), for `orderflow bench --against plain`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use sqlx::{PgPool, postgres::PgPoolOptions};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::{
    ActivityOptions, ChildWorkflowOptions, Runtime, Worker, WorkerOptions, WorkflowContext,
    WorkflowResult,
    activities::{ActivityContext, ActivityError},
    runtime::{
        AutoscalingOptions, PollerBehavior, RuntimeOptions,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use bench::plain::{PlainOrder, TASK_QUEUE};
use order_client::TemporalSettings;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the plain worker failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let url = settings::read(&settings::DATABASE_URL)
        .context("DATABASE_URL: not set; `orderflow bench` sets it")?;
    // As many connections as the worker of orders has.
    let pool = PgPoolOptions::new()
        .max_connections(40)
        .test_before_acquire(false)
        .connect(&url)
        .await
        .context("failed to connect to the database")?;
    let client = order_client::connect_worker(&TemporalSettings::from_env()?).await?;
    let options = RuntimeOptions::builder()
        .build()
        .map_err(anyhow::Error::msg)?;
    let runtime = Runtime::from_current_tokio(options)?;
    let mut worker = Worker::new(&runtime, client, worker_options(pool)?)?;
    let stop = worker.shutdown_handle();
    let health = serve_health();
    let work = async {
        let worked = worker.run();
        let mut worked = std::pin::pin!(worked);
        tokio::select! {
            ended = &mut worked => ended,
            _ = terminate.recv() => {
                stop();
                worked.await
            }
        }
    };
    tokio::select! {
        worked = work => Ok(worked.map(|_| ())?),
        refused = health => refused.context("the health endpoint failed"),
    }
}

/// The options of the worker of orders, so that both designs have the same slots and pollers.
fn worker_options(pool: PgPool) -> Result<WorkerOptions> {
    let pollers = || {
        PollerBehavior::Autoscaling(
            AutoscalingOptions::builder()
                .minimum(2)
                .maximum(20)
                .initial(5)
                .build(),
        )
    };
    let mut options = WorkerOptions::new(TASK_QUEUE)
        .register_activities(PlainActivities { pool })
        .register_workflow::<PlainOrderWorkflow>()?
        .register_workflow::<PlainShippingWorkflow>()?
        .build();
    options.tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(200))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(20))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build()
        .into();
    options.workflow_task_poller_behavior = Some(pollers());
    options.activity_task_poller_behavior = Some(pollers());
    options.max_cached_workflows = 2_000;
    options.sticky_queue_schedule_to_start_timeout = Duration::from_secs(5);
    options.graceful_shutdown_period = Some(Duration::from_secs(10));
    Ok(options)
}

/// Responds to each request that the worker is running.
async fn serve_health() -> Result<()> {
    let address = settings::read(&settings::ORDERFLOW_HEALTH_ADDRESS)
        .context("ORDERFLOW_HEALTH_ADDRESS: not set; `orderflow bench` sets it")?;
    let listener = TcpListener::bind(&address).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 1024];
        // A caller that closes its connection early needs no response.
        if stream.read(&mut request).await.is_ok() {
            let response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            let _ = stream.write_all(response.as_bytes()).await;
        }
    }
}

struct PlainActivities {
    pool: PgPool,
}

impl PlainActivities {
    /// Changes the status of the order and appends an event.
    async fn move_order(
        &self,
        order: &PlainOrder,
        kind: &str,
        seq: i32,
    ) -> Result<(), ActivityError> {
        sqlx::query(
            "with moved as (update orders set status = $2, updated_at = now() where id = $1)
             insert into order_events (order_id, seq, kind) values ($1, $3, $2) on conflict do nothing",
        )
        .bind(&order.id)
        .bind(kind)
        .bind(seq)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Changes the status of the shipment and appends an event.
    async fn move_shipment(
        &self,
        order: &PlainOrder,
        kind: &str,
        seq: i32,
    ) -> Result<(), ActivityError> {
        sqlx::query(
            "with moved as (insert into shipments (order_id, status) values ($1, $2)
                 on conflict (order_id) do update set status = $2, updated_at = now())
             insert into order_events (order_id, seq, kind) values ($1, $3, $2) on conflict do nothing",
        )
        .bind(&order.id)
        .bind(kind)
        .bind(seq)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

#[activities]
impl PlainActivities {
    #[activity]
    async fn receive(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        sqlx::query(
            "with received as (insert into orders (id, status, customer, amount_cents)
                 values ($1, 'received', $2, $3) on conflict (id) do nothing)
             insert into order_events (order_id, seq, kind) values ($1, 1, 'received') on conflict do nothing",
        )
        .bind(&order.id)
        .bind(&order.customer)
        .bind(order.amount_cents)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    #[activity]
    async fn validate(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_order(&order, "validated", 2).await
    }

    #[activity]
    async fn reserve(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        sqlx::query(
            "with reserved as (
                 insert into inventory (sku, on_hand) values ($2, 999999999)
                 on conflict (sku) do update set on_hand = inventory.on_hand - 1
                 where not exists (select from order_events where order_id = $1 and seq = 3))
             insert into order_events (order_id, seq, kind) values ($1, 3, 'reserved') on conflict do nothing",
        )
        .bind(&order.id)
        .bind(&order.sku)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    #[activity]
    async fn mail_received(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_order(&order, "mail_received", 4).await
    }

    #[activity]
    async fn charge(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        sqlx::query(
            "with charged as (insert into payments (order_id, idempotency_key, status, amount_cents)
                 values ($1, 'charge-' || $1, 'captured', $2)
                 on conflict (order_id) do update set attempts = payments.attempts + 1)
             insert into order_events (order_id, seq, kind) values ($1, 5, 'charged') on conflict do nothing",
        )
        .bind(&order.id)
        .bind(order.amount_cents)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    #[activity]
    async fn mail_paid(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_order(&order, "mail_paid", 6).await
    }

    #[activity]
    async fn prepare(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_shipment(&order, "prepared", 7).await
    }

    #[activity]
    async fn package(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_shipment(&order, "packaged", 8).await
    }

    #[activity]
    async fn ship(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_shipment(&order, "shipped", 9).await
    }

    #[activity]
    async fn commit_stock(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_order(&order, "stock_committed", 10).await
    }

    #[activity]
    async fn mail_shipped(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_order(&order, "mail_shipped", 11).await
    }

    #[activity]
    async fn deliver(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_order(&order, "delivered", 12).await
    }

    #[activity]
    async fn mail_delivered(
        self: Arc<Self>,
        _: ActivityContext,
        order: PlainOrder,
    ) -> Result<(), ActivityError> {
        self.move_order(&order, "mail_delivered", 13).await
    }
}

fn activity_options() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(30))
}

#[workflow]
#[derive(Default)]
struct PlainOrderWorkflow;

#[workflow_methods]
impl PlainOrderWorkflow {
    #[run(name = "PlainOrder")]
    async fn run(ctx: &mut WorkflowContext<Self>, order: PlainOrder) -> WorkflowResult<String> {
        ctx.execute_activity(PlainActivities::receive, order.clone(), activity_options())
            .await?;
        ctx.execute_activity(PlainActivities::validate, order.clone(), activity_options())
            .await?;
        ctx.execute_activity(PlainActivities::reserve, order.clone(), activity_options())
            .await?;
        ctx.execute_activity(
            PlainActivities::mail_received,
            order.clone(),
            activity_options(),
        )
        .await?;
        ctx.execute_activity(PlainActivities::charge, order.clone(), activity_options())
            .await?;
        ctx.execute_activity(
            PlainActivities::mail_paid,
            order.clone(),
            activity_options(),
        )
        .await?;
        let options = ChildWorkflowOptions::workflow_id(format!("plain-shipping-{}", order.id));
        let shipping = ctx
            .start_child_workflow(PlainShippingWorkflow::run, order.clone(), options)
            .await?;
        shipping.result().await?;
        ctx.execute_activity(
            PlainActivities::commit_stock,
            order.clone(),
            activity_options(),
        )
        .await?;
        ctx.execute_activity(
            PlainActivities::mail_shipped,
            order.clone(),
            activity_options(),
        )
        .await?;
        if order.delivery_ms > 0 {
            ctx.timer(Duration::from_millis(order.delivery_ms)).await;
        }
        ctx.execute_activity(PlainActivities::deliver, order.clone(), activity_options())
            .await?;
        ctx.execute_activity(PlainActivities::mail_delivered, order, activity_options())
            .await?;
        Ok("delivered".to_owned())
    }
}

#[workflow]
#[derive(Default)]
struct PlainShippingWorkflow;

#[workflow_methods]
impl PlainShippingWorkflow {
    #[run(name = "PlainShipping")]
    async fn run(ctx: &mut WorkflowContext<Self>, order: PlainOrder) -> WorkflowResult<()> {
        ctx.execute_activity(PlainActivities::prepare, order.clone(), activity_options())
            .await?;
        ctx.execute_activity(PlainActivities::package, order.clone(), activity_options())
            .await?;
        ctx.execute_activity(PlainActivities::ship, order, activity_options())
            .await?;
        Ok(())
    }
}
