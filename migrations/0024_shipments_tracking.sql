-- no-transaction
-- Lists search orders by the beginning of a tracking number, without regard to case.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index shipments_tracking`) and migrate again.
create index concurrently if not exists shipments_tracking on shipments (lower(tracking_number) text_pattern_ops)
    where tracking_number is not null;
