-- no-transaction
-- The count of orders that are late reads this index only. An order that does not wait has been due since its creation.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index orders_waiting`) and migrate again.
create index concurrently if not exists orders_waiting on orders (coalesce(waiting_until, created_at)) where is_running;
