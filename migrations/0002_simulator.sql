-- The simulated payment provider and carrier keep their own books, as real ones do: only the
-- simulators write here, and the tests count here, never in our own tables.
create schema simulator;

-- One row for each movement of money. A second capture for an order would be a second row.
create table simulator.payments (
    transaction_id text primary key,
    idempotency_key text not null,
    kind text not null check (kind in ('capture', 'refund', 'void', 'decline')),
    order_id text not null,
    amount bigint not null,
    currency text not null,
    created_at timestamptz not null default now(),
    constraint payments_idempotency_key_key unique (idempotency_key)
);
create index payments_order_id on simulator.payments (order_id);

-- One row for each parcel the carrier took, or promised never to take.
create table simulator.parcels (
    shipment_id text primary key,
    order_id text not null,
    tracking_number text unique,
    state text not null check (state in ('dispatched', 'cancelled')),
    created_at timestamptz not null default now()
);
create index parcels_order_id on simulator.parcels (order_id);

-- What is to go wrong: the next `times` calls of `operation` for the order (or for any, where it is null).
create table simulator.faults (
    id bigint generated always as identity primary key,
    operation text not null check (operation in ('charge', 'refund', 'dispatch', 'cancel_shipment')),
    order_id text,
    -- `fail` answers an error; `lose` does the work and loses the answer; `hang` never answers; `decline` refuses for good.
    fault text not null check (fault in ('fail', 'lose', 'hang', 'decline')),
    times integer not null check (times >= 0)
);
