//! Deletion of orders that ended long ago, in small transactions of whole orders.
//!
//! `docs/data.md` ("Retention") has the reasons. Payments and their movements are never deleted: a
//! late or repeated event must find its payment. Start reading at [`Purge`].

mod candidates;
mod deletion;
mod remainder;

use std::{collections::BTreeMap, ops::AddAssign};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt, pool};
pub use candidates::KeepReason;
use candidates::Position;

use domain::Span;

/// The number of rows that a plan reads at a time.
const PLAN_PAGE: u32 = 2_000;

/// The result of a purge or of a part of it: the deleted rows, and the old orders that are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    pub orders: u64,
    pub audit_events: u64,
    pub mails: u64,
    pub webhook_events: u64,
    pub reservations: u64,
    pub parcels: u64,
    /// The number of kept orders by reason.
    pub kept: BTreeMap<KeepReason, u64>,
}

impl AddAssign for Purged {
    fn add_assign(&mut self, other: Self) {
        self.orders += other.orders;
        self.audit_events += other.audit_events;
        self.mails += other.mails;
        self.webhook_events += other.webhook_events;
        self.reservations += other.reservations;
        self.parcels += other.parcels;
        for (reason, orders) in other.kept {
            *self.kept.entry(reason).or_default() += orders;
        }
    }
}

/// The number of orders of a plan and of the orders that are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PurgePlan {
    pub orders: u64,
    /// The number of webhook events that belong to no order.
    pub unowned_webhook_events: u64,
    /// The number of orders that have audit events or mails, but no row.
    pub missing_orders: u64,
    pub kept: BTreeMap<KeepReason, u64>,
}

/// A purge of everything that ended before one point in time. Each step is one transaction, so a
/// purge can stop after any step and start again.
#[derive(Debug)]
pub struct Purge<'a> {
    pool: &'a PgPool,
    before: DateTime<Utc>,
    batch: u32,
    next: Option<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Orders(Option<Position>),
    WebhookEvents(Option<remainder::Position>),
    /// Rows of orders that a restored database lacks.
    OrderlessRows,
}

impl<'a> Purge<'a> {
    /// Creates a purge of rows that are older than `age` by the database's clock. A step deletes at most
    /// `batch` orders or webhook events.
    ///
    /// # Errors
    ///
    /// When the database is unavailable.
    pub async fn new(pool: &'a PgPool, age: Span, batch: u32) -> Result<Self, Error> {
        let before = sqlx::query_scalar!(
            r#"select now() - make_interval(secs => $1) as "before!""#,
            age.duration().as_secs_f64(),
        );
        let before = before
            .fetch_one(pool)
            .await
            .for_operation("read the database's clock")?;
        Ok(Self {
            pool,
            before,
            batch,
            next: Some(Step::Orders(None)),
        })
    }

    /// Returns the time before which a purged order has ended.
    #[must_use]
    pub fn before(&self) -> DateTime<Utc> {
        self.before
    }

    /// Counts what the purge would delete now. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the database is unavailable.
    pub async fn plan(&self) -> Result<PurgePlan, Error> {
        let mut plan = PurgePlan::default();
        let mut after = None;
        let mut connection = self
            .pool
            .acquire()
            .await
            .for_operation("connect to the database")?;
        loop {
            let page =
                candidates::list(&mut connection, self.before, after.as_ref(), PLAN_PAGE).await?;
            let Some(last) = page.last().map(|candidate| candidate.position.clone()) else {
                break;
            };
            for candidate in page {
                match candidate.keep {
                    Some(reason) => *plan.kept.entry(reason).or_default() += 1,
                    None => plan.orders += 1,
                }
            }
            after = Some(last);
        }
        plan.unowned_webhook_events =
            remainder::count_webhook_events(&mut connection, self.before).await?;
        let missing =
            remainder::find_missing_orders(&mut connection, self.before, u32::MAX).await?;
        plan.missing_orders = missing.len() as u64;
        Ok(plan)
    }

    /// Runs the next step and commits it. Returns its result, or `None` after the last step.
    ///
    /// # Errors
    ///
    /// When the database is unavailable. The step has changed nothing then, and the next call
    /// repeats it.
    #[tracing::instrument(name = "store.purge.step", skip_all)]
    pub async fn step(&mut self) -> Result<Option<Purged>, Error> {
        let Some(step) = self.next.clone() else {
            return Ok(None);
        };
        let mut transaction = pool::begin(self.pool).await?;
        let (purged, next) = match step {
            Step::Orders(after) => {
                let (purged, last) = self.purge_orders(&mut transaction, after.as_ref()).await?;
                let next = last.map_or(Step::WebhookEvents(None), |last| Step::Orders(Some(last)));
                (purged, Some(next))
            }
            Step::WebhookEvents(after) => {
                let (webhook_events, last) = remainder::purge_webhook_events(
                    &mut transaction,
                    self.before,
                    after.as_ref(),
                    self.batch,
                )
                .await?;
                let purged = Purged {
                    webhook_events,
                    ..Purged::default()
                };
                let next = last.map_or(Step::OrderlessRows, |last| Step::WebhookEvents(Some(last)));
                (purged, Some(next))
            }
            Step::OrderlessRows => {
                let ids = remainder::find_missing_orders(&mut transaction, self.before, self.batch)
                    .await?;
                let purged = deletion::delete(&mut transaction, &ids).await?;
                (
                    purged,
                    Some(Step::OrderlessRows).filter(|_| !ids.is_empty()),
                )
            }
        };
        transaction.commit().await.for_operation("commit")?;
        self.next = next;
        Ok(Some(purged))
    }

    /// Deletes the next orders. Returns the position of the last one that was read.
    async fn purge_orders(
        &self,
        connection: &mut sqlx::PgConnection,
        after: Option<&Position>,
    ) -> Result<(Purged, Option<Position>), Error> {
        let found = candidates::lock(connection, self.before, after, self.batch).await?;
        let last = found.last().map(|candidate| candidate.position.clone());
        let mut ids = Vec::new();
        let mut kept = BTreeMap::new();
        for candidate in found {
            match candidate.keep {
                Some(reason) => *kept.entry(reason).or_default() += 1,
                None => ids.push(candidate.position.order_id),
            }
        }
        let deleted = deletion::delete(connection, &ids).await?;
        Ok((Purged { kept, ..deleted }, last))
    }
}
