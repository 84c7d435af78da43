-- no-transaction
-- Lists search orders by the beginning of a transaction id, without regard to case.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index payments_search`) and migrate again.
create index concurrently if not exists payments_search on payments (lower(transaction_id) text_pattern_ops)
    where transaction_id is not null and order_id is not null;
