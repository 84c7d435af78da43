-- no-transaction
-- The held orders: few, so the index is small. An operator can hold an order during any wait.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index orders_held`) and migrate again.
create index concurrently if not exists orders_held on orders (created_at desc, id desc)
    where is_running and (hold_json is not null or waiting_json ->> 'reason' in ('payment_hold', 'hold'));
