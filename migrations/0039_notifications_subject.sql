-- A mail can be about a refund or a return, of which an order has several.
-- Safe while the previous release runs: the column has a default, so no row is rewritten.

-- The id of the refund or the return; empty for a mail that an order has once.
alter table notifications add column subject_id text not null default '';
