-- no-transaction
-- The work list looks for events that name an order and confirm no payment. They are few, so the index is small.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index webhook_deliveries_unsettled`) and migrate again.
create index concurrently if not exists webhook_deliveries_unsettled on webhook_deliveries (order_id)
    where event_json ->> 'kind' in ('unconfirmed', 'completed_unpaid', 'unreadable');
