//! The work list: every amount that a person must act on, in one query.
//!
//! An entry closes when an event settles its money or when an operator resolves it. A resolution is
//! a movement, so the fold of the ledger hides the concern. A webhook event that has no payment is
//! closed in its own row.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::{Error, error::SqlxResultExt};
use contract::AttentionEntry;
use domain::{
    Concern, ConcernSubject, Currency, Money, OrderStatus, WebhookOutcome, reports_no_payment,
};

/// A filter for [`list`].
#[derive(Debug, Clone, Default)]
pub struct AttentionFilter {
    pub concern: Option<Concern>,
    pub order_id: Option<String>,
    /// Only entries about this payment: its id, or its id at the provider.
    pub payment: Option<String>,
    /// Only entries that are older.
    pub before: Option<DateTime<Utc>>,
}

/// The prefix of `webhook_deliveries.detail` of an event that an operator has resolved.
pub(crate) const RESOLVED: &str = "resolved: ";

/// Reads the entries of the work list, oldest first.
#[tracing::instrument(name = "store.attention.list", skip_all)]
pub async fn list(
    pool: &PgPool,
    filter: &AttentionFilter,
    limit: u32,
) -> Result<Vec<AttentionEntry>, Error> {
    read(pool, None, filter, limit).await
}

/// Returns the orders among these that have an entry.
pub(crate) async fn find_orders(
    connection: &mut PgConnection,
    order_ids: &[String],
) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for order_id in order_ids {
        let filter = AttentionFilter {
            order_id: Some(order_id.clone()),
            ..AttentionFilter::default()
        };
        if !read(&mut *connection, None, &filter, 100).await?.is_empty() {
            found.insert(order_id.clone());
        }
    }
    Ok(found)
}

/// Returns the orders that have an entry of the work list, at most `limit`.
#[tracing::instrument(name = "store.attention.list_order_ids", skip_all)]
pub(crate) async fn list_order_ids(pool: &PgPool, limit: u32) -> Result<Vec<String>, Error> {
    let entries = read(pool, None, &AttentionFilter::default(), limit).await?;
    let ids = entries.into_iter().filter_map(|entry| entry.order_id);
    Ok(ids.collect::<BTreeSet<_>>().into_iter().collect())
}

/// Reads one entry of the work list; `None` if there is none with this id, or if it has closed.
#[tracing::instrument(name = "store.attention.find", skip_all)]
pub async fn find(pool: &PgPool, id: &str) -> Result<Option<AttentionEntry>, Error> {
    let mut found = read(pool, Some(id), &AttentionFilter::default(), 1).await?;
    Ok(found.pop())
}

/// Closes the entry of a webhook event without a payment. Returns whether the event exists.
#[tracing::instrument(name = "store.attention.resolve", skip_all)]
pub async fn resolve_webhook_event(
    pool: &PgPool,
    provider: &str,
    event_id: &str,
    note: &str,
) -> Result<bool, Error> {
    let updated = sqlx::query!(
        "update webhook_deliveries set outcome = $3, detail = $4, updated_at = now()
         where provider = $1 and event_id = $2",
        provider,
        event_id,
        WebhookOutcome::Recorded.as_str(),
        format!("{RESOLVED}{note}"),
    )
    .execute(pool)
    .await
    .for_operation("resolve the webhook event")?;
    Ok(updated.rows_affected() > 0)
}

async fn read(
    executor: impl PgExecutor<'_>,
    id: Option<&str>,
    filter: &AttentionFilter,
    limit: u32,
) -> Result<Vec<AttentionEntry>, Error> {
    let (concerns, causes): (Vec<String>, Vec<String>) = Concern::ALL
        .iter()
        .flat_map(|concern| concern.causes().iter().map(|cause| (*concern, *cause)))
        .map(|(concern, cause)| (concern.to_string(), cause.to_string()))
        .unzip();
    let to_collect: Vec<String> = Concern::ALL
        .iter()
        .filter(|concern| concern.is_money_to_collect())
        .map(ToString::to_string)
        .collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        with cause as (
            select * from unnest($1::text[], $2::text[]) as cause (concern, kind)
        ), concerned as (
            -- The condition of the index payments_attention.
            select * from payments where due > 0 or unmatched > 0 or concerns <> '{}'
        ), amounts as (
            select payment_id, 'unmatched' as concern, unmatched as amount from concerned where unmatched > 0
            union all
            select payment_id, 'refund_due', due from concerned where due > 0 and (
                -- The provider cannot refund it, a refund failed, or its result is missing for days.
                status = 'refund_due' or updated_at < now() - interval '3 days' or exists (
                    select from payment_movements as movement where movement.payment_id = concerned.payment_id
                        and movement.kind in ('refund_by_hand', 'refund_failed', 'refund_reversed')))
            union all
            -- An order is held, because a refund that it did not request left less than its total.
            select payment_id, 'part_refunded', refunded
            from orders join payments on order_id = orders.id
            where refunded > 0
                and (orders.is_running and orders.waiting_json ->> 'reason' = 'payment_hold'
                    -- The refund was requested before an event reported that the money pays the order.
                    or orders.state not in ('cancelled', 'failed') and exists (
                        select from payment_movements as movement where movement.payment_id = payments.payment_id
                            and movement.kind = 'joined'))
                and orders.total_amount > coalesce((
                    select sum(paying.allocated) from payments as paying
                    where paying.order_id = orders.id and paying.currency = orders.currency), 0)
                and not exists (
                    select from payment_movements as movement where movement.payment_id = payments.payment_id
                        and movement.kind = 'refund_requested' and movement.amount is null)
            union all
            select payment_id, concern.key, case when concern.key = any($3) or is_shipped
                then least(concern.value::bigint, orders.total_amount - paid.amount) else concern.value::bigint end
            from concerned
            cross join lateral jsonb_each_text(concerned.concerns) as concern
            left join orders on orders.id = concerned.order_id
            left join lateral (
                select coalesce(sum(paying.allocated), 0)::bigint as amount from payments as paying
                where paying.order_id = orders.id and paying.currency = orders.currency
            ) as paid on true
            cross join lateral (
                select concern.key = 'dispute_lost' and orders.state in ('shipped', 'delivered') as is_shipped
            ) as loss
            where case when concern.key = any($3) then
                -- The order needs the money as long as it is not cancelled and other payments do not reach its total.
                orders.state not in ('cancelled', 'failed') and orders.total_amount > paid.amount
                -- The customer of an order that waits can try again.
                and (orders.state <> 'pending' or concern.key <> 'authorisation_ended')
            when is_shipped then orders.total_amount > paid.amount
            else
                -- Warnings about a payment that is fully refunded need no decision. A dispute does, because the bank
                -- can take the money in addition to the refund.
                concern.key in ('dispute_open', 'dispute_lost') or captured = 0 or refunded < captured
            end
        ), entries as (
            -- The fold of the ledger has subtracted what an operator has closed, except from these amounts.
            select payment_id || ':' || concern as id, concern, amounts.amount - coalesce(closed.amount, 0) as amount,
                payments.currency, transaction_id, provider, payment_id,
                -- The events of money without an order can name an order that does not exist.
                coalesce(order_id, (
                    select max(event.order_id) from webhook_deliveries as event
                    where event.provider = payments.provider and event.transaction_id = payments.transaction_id
                )) as order_id,
                coalesce((
                    select max(recorded_at) from payment_movements as movement
                    where movement.payment_id = payments.payment_id
                        and movement.kind in (select kind from cause where cause.concern = amounts.concern)
                ), payments.updated_at) as since, null as event_type,
                concerns ? 'dispute_open' as is_disputed
            from amounts join payments using (payment_id)
            left join lateral (
                select max(coalesce(movement.amount, amounts.amount)) as amount from payment_movements as movement
                where concern in ('unmatched', 'refund_due', 'part_refunded') and movement.kind = 'resolved'
                    and movement.payment_id = payments.payment_id and movement.reference = amounts.concern
            ) as closed on true
            where amounts.amount > coalesce(closed.amount, 0)
            union all
            select delivery.provider || ':' || event_id || ':' || (event_json ->> 'kind'), event_json ->> 'kind',
                (event_json #>> '{amount,minor}')::bigint,
                coalesce(event_json #>> '{amount,currency}', orders.currency),
                delivery.transaction_id, delivery.provider, null, orders.id, received_at,
                event_json ->> 'event_type', false
            from orders join webhook_deliveries as delivery on delivery.order_id = orders.id
            cross join lateral (
                select orders.state in ('cancelled', 'failed') or coalesce(orders.total_amount, 1) > coalesce((
                    select sum(paying.allocated) from payments as paying
                    where paying.order_id = orders.id and paying.currency = orders.currency), 0) as is_unpaid
            ) as money
            -- The condition of the index webhook_deliveries_unsettled.
            where event_json ->> 'kind' in ('unconfirmed', 'completed_unpaid', 'unreadable')
                and coalesce(detail, '') not like $4 || '%' and case event_json ->> 'kind'
                when 'unconfirmed' then
                    -- The customer of an order that has ended without its goods may have paid.
                    money.is_unpaid and orders.state in ('pending', 'cancelled', 'failed') and not exists (
                        select from payments as known
                        where (known.transaction_id = delivery.transaction_id or known.aliases @> array[delivery.transaction_id])
                            and (known.captured > 0 or known.status = 'declined'))
                when 'completed_unpaid' then money.is_unpaid and orders.state = 'pending' and orders.is_running
                when 'unreadable' then true
                else false end
            union all
            -- The condition of the index webhook_deliveries_refused.
            select 'external:' || event_id || ':report_refused', 'report_refused',
                (event_json #>> '{amount,minor}')::bigint, event_json #>> '{amount,currency}',
                report.transaction_id, 'external', null, report.order_id, received_at, null, false
            from webhook_deliveries as report
            where event_json ->> 'kind' = 'report_refused' and coalesce(detail, '') not like $4 || '%'
                -- The ledger has the money, or knows that there is none.
                and not exists (
                    select from payments as known
                    where (known.transaction_id = report.transaction_id or known.aliases @> array[report.transaction_id])
                        and (known.captured > 0 or known.authorised > 0 or known.status = 'declined'))
        )
        select entries.id as "id!", concern as "concern!", amount, entries.currency, transaction_id,
            provider as "provider!", payment_id, order_id, orders.state as "order_status?", since as "since!",
            event_type, coalesce(is_disputed, false) as "is_disputed!"
        from entries left join orders on orders.id = entries.order_id
        where ($5::text is null or entries.id = $5)
            and ($6::text is null or concern = $6)
            and ($7::text is null or order_id = $7)
            and ($8::timestamptz is null or since < $8)
            and ($10::text is null or payment_id = $10 or transaction_id = $10)
        order by since, entries.id limit $9
        "#,
        &concerns,
        &causes,
        &to_collect,
        RESOLVED,
        id,
        filter.concern.map(Concern::as_str),
        filter.order_id,
        filter.before,
        i64::from(limit),
        filter.payment,
    )
    .fetch_all(executor)
    .await
    .for_operation("read the work list")?;
    Ok(rows.into_iter().filter_map(Row::entry).collect())
}

struct Row {
    id: String,
    concern: String,
    amount: Option<i64>,
    currency: Option<String>,
    transaction_id: Option<String>,
    provider: String,
    payment_id: Option<String>,
    order_id: Option<String>,
    order_status: Option<String>,
    since: DateTime<Utc>,
    event_type: Option<String>,
    is_disputed: bool,
}

impl Row {
    /// Returns the entry. A concern that only a newer release writes is left out.
    fn entry(self) -> Option<AttentionEntry> {
        let concern = Concern::parse(&self.concern)?;
        let order_status = self.order_status.as_deref().and_then(OrderStatus::parse);
        let is_order_closed = order_status
            .is_some_and(|status| matches!(status, OrderStatus::Cancelled | OrderStatus::Failed));
        let reports_payment = !self.event_type.as_deref().is_some_and(reports_no_payment);
        if concern == Concern::Unconfirmed && is_order_closed && !reports_payment {
            return None;
        }
        let currency = self
            .currency
            .and_then(|currency| Currency::parse(&currency).ok());
        let amount = self
            .amount
            .zip(currency)
            .and_then(|(minor, currency)| Money::from_minor(minor, currency).ok());
        let next_step = concern.next_step(ConcernSubject {
            entry_id: &self.id,
            provider: &self.provider,
            transaction_id: self.transaction_id.as_deref(),
            order_id: self.order_id.as_deref(),
            event_type: self.event_type.as_deref(),
            is_order_closed,
            is_order_shipped: order_status.is_some_and(|status| status.is_dispatched()),
            is_disputed: self.is_disputed,
            amount,
        });
        Some(AttentionEntry {
            id: self.id,
            concern,
            amount: amount.map(Money::decimal),
            currency,
            transaction_id: self.transaction_id,
            provider: self.provider,
            payment_id: self.payment_id,
            order_id: self.order_id,
            order_status,
            since: self.since,
            next_step,
        })
    }
}
