-- no-transaction
-- The orders that wait for an operator's decision: few, so the index is small.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index orders_undecided`) and migrate again.
create index concurrently if not exists orders_undecided on orders ((waiting_json ->> 'reason'), created_at desc, id desc)
    where is_running and waiting_json ->> 'reason' in ('review', 'payment_hold', 'hold');
