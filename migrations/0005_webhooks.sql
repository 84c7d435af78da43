-- Events of payment providers come into use. Nothing has written this table so far.

-- What the event says, in our own words: ids and amounts, nobody's name, card or address. An operator may have it looked
-- at again from here.
alter table webhook_deliveries add column event_json jsonb not null default '{}';
alter table webhook_deliveries add column transaction_id text;
-- Why, for operators.
alter table webhook_deliveries add column detail text;
alter table webhook_deliveries add column updated_at timestamptz not null default now();
alter table webhook_deliveries add constraint webhook_deliveries_outcome_check check (outcome in (
    'pending', 'applied', 'known', 'recorded', 'refused', 'refunded', 'refund_due', 'unknown_order', 'unconfirmed',
    'ignored', 'unreadable'));

-- Money that names no order of ours is a payment, too: one that goes back.
alter table payments alter column order_id drop not null;

-- The newest first, of all and of one outcome; and by transaction, since refunds and disputes may name nothing else.
create index webhook_deliveries_received on webhook_deliveries (received_at desc, id desc);
create index webhook_deliveries_outcome on webhook_deliveries (outcome, received_at desc, id desc);
create index webhook_deliveries_transaction on webhook_deliveries (provider, transaction_id);
