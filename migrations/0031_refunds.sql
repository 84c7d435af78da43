-- Refunds that the shop makes. The ledger has the request of each part: the movements `refund_requested` and
-- `refund_granted`. A refund of an order with several payments has several parts.
-- Safe while the previous release runs: it never reads the tables.
create table refunds (
    order_id text not null,
    refund_id text not null,
    state text not null check (state in ('pending', 'refunded', 'failed', 'due')),
    -- Minor units.
    amount bigint not null check (amount > 0),
    currency text not null,
    -- A hash of the request, which tells a repeated request from another one with the same key.
    fingerprint text not null,
    reason text,
    -- The name of the caller.
    requested_by text not null,
    failure text,
    -- Whether the audit log has the result.
    is_announced boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (order_id, refund_id)
);
-- The search for refunds whose workflow was lost.
create index refunds_unfinished on refunds (updated_at) where state = 'pending' or not is_announced;

create table refund_parts (
    order_id text not null,
    refund_id text not null,
    payment_id text not null references payments (payment_id),
    -- Minor units.
    amount bigint not null check (amount > 0),
    -- `accepted`: the provider reports the result later. A part that the provider refuses is `due`.
    state text not null check (state in ('pending', 'accepted', 'refunded', 'failed', 'due')),
    -- The reference of the movement `refunded` of this part.
    reference text,
    -- The money of this part that the customer got back, in minor units.
    refunded bigint not null default 0 check (refunded between 0 and amount),
    primary key (order_id, refund_id, payment_id)
);
create index refund_parts_payment on refund_parts (payment_id);
