-- no-transaction
-- The work list looks for orders whose payment was refunded. They are few, so the index is small.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index payments_refunded`) and migrate again.
create index concurrently if not exists payments_refunded on payments (order_id) where refunded > 0;
