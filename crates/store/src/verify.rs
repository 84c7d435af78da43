//! One query for all invariants that the database and the simulators' records can show.

use futures::TryStreamExt;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};
use domain::{Balance, Movement, NotificationKind};

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The broken rule, as a statement about `subject`.
    pub rule: String,
    /// The id of the order, or the SKU.
    pub subject: String,
}

/// Finds all violations, sorted by rule and subject. A running order may be between two steps, so rules about the end of an
/// order apply only to orders that have ended.
pub async fn find_violations(pool: &PgPool) -> Result<Vec<Violation>, Error> {
    let mail_causes = NotificationKind::ALL
        .iter()
        .flat_map(|kind| kind.event_types().iter().map(|entry| (*entry, *kind)));
    let (mut entries, mut kinds, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for (entry, kind) in mail_causes {
        entries.push(entry.to_string());
        kinds.push(kind.to_string());
        fields.push(kind.subject_field().unwrap_or_default().to_owned());
    }
    let mut violations = sqlx::query_as!(
        Violation,
        r#"
        with audit_log as (
            select orders.id, last_seq, count(seq) as entries, coalesce(min(seq), 1) as first, coalesce(max(seq), 0) as last
            from orders left join events on events.order_id = orders.id group by orders.id
        ), captured as (
            -- Each id of the payments that have money. A refuted claim of a caller has none.
            select payment_id, order_id, provider, unnest(aliases || transaction_id) as id from payments where captured > 0
        ), ledger as (
            select order_id,
                count(*) filter (where kind = 'capture') as captures,
                coalesce(sum(amount) filter (where kind = 'capture'), 0) as captured,
                coalesce(sum(amount) filter (where kind = 'refund'), 0) as refunded
            from simulator.payments group by order_id
        ), parcels as (
            select order_id, count(*) filter (where state = 'dispatched') as dispatched from simulator.parcels group by order_id
        ), reserved as (
            select sku,
                coalesce(sum(quantity) filter (where state = 'held'), 0) as held,
                coalesce(sum(quantity) filter (where state = 'shipped'), 0) as shipped
            from reservations group by sku
        ), mail_cause as (
            select order_id, seq, kind, case when field = '' then '' else payload_json ->> field end as subject_id
            from events join unnest($1::text[], $2::text[], $3::text[]) as cause (type, kind, field) using (type)
        )
        select 'the audit log has a gap, or does not end at the order''s last_seq' as "rule!", id as "subject!" from audit_log
            where entries <> last or first <> 1 or last <> last_seq
        union all
        select 'an order was charged more than once', order_id from ledger where captures > 1
        union all
        select 'an unfulfilled order keeps money', id from orders join ledger on order_id = id
            where not is_running and state in ('cancelled', 'failed') and captured > refunded
        union all
        select 'more was refunded than captured', ledger.order_id from ledger
            where refunded > captured + (select coalesce(sum(amount), 0) from payments
                where payments.order_id = ledger.order_id and (provider = 'external' or source = 'api'))
        union all
        select 'refunds of an order exceed its captured money', order_id from (
            select order_id, sum(part.refunded) as refunded,
                (select sum(captured) from payments where payments.order_id = part.order_id) as captured
            from refund_parts as part group by order_id) as given
            where refunded > captured
        union all
        select distinct 'a refund and its parts differ', refunds.order_id from refunds
            where amount <> (select coalesce(sum(part.amount), 0) from refund_parts as part
                where part.order_id = refunds.order_id and part.refund_id = refunds.refund_id)
        union all
        select 'more units are returned than the order has: ' || returned.sku, returned.order_id from (
            select order_id, line.sku, sum(case when state in ('requested', 'approved') then line.quantity
                    else coalesce(line.received_quantity, 0) end) as units
                from returns, jsonb_to_recordset(items_json) as line (sku text, quantity bigint, received_quantity bigint)
                where state in ('requested', 'approved', 'received', 'closed') group by order_id, line.sku) as returned
            where units > (select coalesce(sum(line.quantity), 0)
                from orders, jsonb_to_recordset(orders.items_json) as line (sku text, quantity bigint)
                where orders.id = returned.order_id and line.sku = returned.sku)
        union all
        select 'a received return has no refund', order_id from returns
            where refund_id is not null and not exists (select from refunds
                where refunds.order_id = returns.order_id and refunds.refund_id = returns.refund_id)
        union all
        select 'a return is open after the end of its refund, or closed before it', returns.order_id
            from returns join refunds using (order_id, refund_id) where (returns.state = 'closed') <> refunds.is_announced
        union all
        select 'an order was shipped without enough money', id from orders
            where state in ('shipped', 'delivered') and total_amount > (
                select coalesce(sum(greatest(authorised, captured,
                    -- A capture that failed after dispatch is in the work list.
                    (select greatest(coalesce(sum(movement.amount) filter (where movement.kind = 'captured'), 0),
                            coalesce(max(movement.amount) filter (where movement.kind = 'captured_total'), 0))
                        from payment_movements as movement where movement.payment_id = payments.payment_id),
                    -- The previous release writes no balance.
                    case when balance_version = 0 and status in ('captured', 'refunded') then amount else 0 end)), 0)
                from payments where order_id = id and payments.currency = orders.currency)
        union all
        select 'a payment of an unfulfilled order is not final', id from orders join payments on order_id = id
            where not is_running and orders.state in ('cancelled', 'failed')
                -- A refund that the provider has accepted may take days.
                and (payments.status = 'pending' or payments.status = 'refunding' and payments.captured = 0
                    or payments.allocated > 0)
        union all
        select 'a payment does not balance: captured - refunded - lost = allocated + due + unmatched', coalesce(order_id, payment_id)
            from payments where captured - refunded - lost <> allocated + due + unmatched
        union all
        select 'one transaction is two payments: ' || one.id, coalesce(one.order_id, one.payment_id)
            from captured as one join captured as other using (id)
            where one.payment_id < other.payment_id
                and (one.provider = other.provider or 'external' in (one.provider, other.provider))
        union all
        select 'a payment and the provider''s records differ', order_id from payments
            where provider = 'simulator' and status in ('captured', 'refunded') and not exists (
                select from simulator.payments as movement where movement.kind = 'capture' and movement.amount = payments.amount
                    -- An authorisation is captured under its own key.
                    and (movement.transaction_id = payments.transaction_id
                        or movement.idempotency_key = 'authorisation:' || payments.transaction_id))
        union all
        select 'the carrier has more than one parcel of an order', order_id from parcels where dispatched > 1
        union all
        select 'an order that was not shipped has a parcel at the carrier', id from orders join parcels on order_id = id
            where not is_running and state in ('cancelled', 'failed') and dispatched > 0
        union all
        select 'an order that was shipped has no parcel at the carrier', id from orders left join parcels on order_id = id
            -- Migrated orders (docs/data-migration.md) used another carrier.
            where state in ('shipped', 'delivered') and coalesce(dispatched, 0) = 0 and run_id <> 'migrated'
                and shipment_json ->> 'provider' = 'fedex'
        union all
        select 'an order that has ended holds stock', id from orders join reservations on order_id = id
            where not is_running and reservations.state = 'held'
        union all
        select 'stock does not add up', inventory.sku from inventory left join reserved on reserved.sku = inventory.sku
            where inventory.held <> coalesce(reserved.held, 0) or inventory.shipped - inventory.shipped_of_purged <> coalesce(reserved.shipped, 0)
        union all
        select 'the stock and its movements differ', inventory.sku from inventory
            where received <> (select coalesce(sum(change), 0) from stock_movements where stock_movements.sku = inventory.sku)
        union all
        select distinct 'the mail about an audit event is not in the outbox: ' || mail_cause.kind, mail_cause.order_id from mail_cause
            where not exists (select from notifications
                where notifications.order_id = mail_cause.order_id and notifications.kind = mail_cause.kind
                    and notifications.subject_id = mail_cause.subject_id)
        union all
        select 'a pending mail reports an event that did not happen: ' || mail.kind, mail.order_id from notifications as mail
            where status = 'pending' and not exists (select from mail_cause
                where mail_cause.order_id = mail.order_id and mail_cause.kind = mail.kind
                    and mail_cause.subject_id = mail.subject_id and mail_cause.seq = mail.seq)
        union all
        select 'a message reports an event that did not happen: ' || message.type, message.order_id
            from endpoint_messages as message
            where order_id is not null and not exists (select from events
                where events.order_id = message.order_id and events.seq = message.seq)
        "#,
        &entries,
        &kinds,
        &fields,
    )
    .fetch_all(pool)
    .await
    .for_operation("verify the database")?;
    violations.extend(find_wrong_balances(pool).await?);
    violations.sort_unstable();
    Ok(violations)
}

/// Folds the movements of every payment again and compares the result with the stored balance.
async fn find_wrong_balances(pool: &PgPool) -> Result<Vec<Violation>, Error> {
    let mut rows = sqlx::query!(
        r#"select payment_id, order_id, authorised, captured, refunded, lost, due, status,
               (select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'reference', reference, 'amount', movement.amount)), '[]')
                from payment_movements as movement where movement.payment_id = payments.payment_id) as "movements!"
           from payments where balance_version > 0"#
    )
    .fetch(pool);
    let mut violations = Vec::new();
    while let Some(row) = rows.try_next().await.for_operation("verify the balances")? {
        let movements: Vec<Movement> = serde_json::from_value(row.movements).unwrap_or_default();
        let balance = Balance::of(&movements);
        let folded = (
            balance.authorised,
            balance.captured,
            balance.refunded,
            balance.lost,
            balance.due,
        );
        let stored = (
            row.authorised,
            row.captured,
            row.refunded,
            row.lost,
            row.due,
        );
        if folded != stored || row.status != balance.status(row.order_id.is_some()).as_str() {
            violations.push(Violation {
                rule: "the balance of a payment differs from its movements".to_owned(),
                subject: row.order_id.unwrap_or(row.payment_id),
            });
        }
    }
    Ok(violations)
}

/// Counts all orders.
pub async fn count_orders(pool: &PgPool) -> Result<i64, Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from orders"#)
        .fetch_one(pool)
        .await
        .for_operation("count the orders")
}
