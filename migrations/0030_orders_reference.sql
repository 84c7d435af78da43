-- no-transaction
-- Lists filter and search orders by their reference in another system, without regard to case.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index orders_reference`) and migrate again.
create index concurrently if not exists orders_reference on orders (lower(external_reference) text_pattern_ops)
    where external_reference is not null;
