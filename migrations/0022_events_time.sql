-- no-transaction
-- Lists of changed orders read the times of the audit events, which are written once. An index of `orders.updated_at`
-- would make each change of an order write all indexes of the table.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index events_time`) and migrate again.
create index concurrently if not exists events_time on events (ts, order_id, seq);
