-- The quotes that orders have used. A quote expires within a day, so the rows of old orders are not needed; the purge
-- deletes them with their orders.
-- Safe while the previous release runs: it never reads the table.
create table quotes (
    quote_id text primary key,
    order_id text not null,
    used_at timestamptz not null default now()
);
create index quotes_order on quotes (order_id);
