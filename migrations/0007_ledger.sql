-- The ledger: each row of `payments` becomes a transaction with a balance, and each fact about it a movement.
-- The updates and the indexes block writes to `payments` for seconds per million rows; workers retry their writes.
-- Safe while the previous release runs: it ignores the new columns, and rows that it writes have no movements until the
-- next release touches them.

alter table payments
    -- Who reported the transaction first: charge, api, webhook, lookup, or operator.
    add column source text not null default 'charge',
    add column aliases text[] not null default '{}',
    add column authorised bigint not null default 0,
    add column captured bigint not null default 0,
    add column refunded bigint not null default 0,
    add column lost bigint not null default 0,
    -- Money that pays the order of this row, money to be paid back, and money that belongs to no order.
    add column allocated bigint not null default 0,
    add column due bigint not null default 0,
    add column unmatched bigint not null default 0,
    add column dispute text check (dispute in ('opened', 'closed', 'won', 'lost')),
    -- What a person must look at: amounts in minor units by concern.
    add column concerns jsonb not null default '{}',
    -- Increases with each change of the balance, so that an older copy never replaces a newer one.
    add column balance_version integer not null default 0,
    add constraint payments_balance check (captured - refunded - lost = allocated + due + unmatched) not valid;
comment on column payments.amount is 'minor units: what the payment was reported or requested with';

create table payment_movements (
    id bigint generated always as identity primary key,
    payment_id text not null references payments (payment_id),
    kind text not null,
    -- The provider's id of the movement, or the id of the event that reported it.
    reference text not null,
    -- Minor units; null means the whole amount.
    amount bigint check (amount >= 0),
    recorded_at timestamptz not null default now(),
    constraint payment_movements_key unique (payment_id, kind, reference)
);

-- The movements that explain the state in which the previous release left each payment.
insert into payment_movements (payment_id, kind, reference, amount, recorded_at)
    select payment_id, 'captured_total', 'migrated', amount, updated_at from payments
        where status in ('captured', 'refunded', 'refund_due') or (status = 'refunding' and payment_id = provider || ':' || transaction_id)
    union all
    select payment_id, 'refunded_total', 'migrated', amount, updated_at from payments where status = 'refunded'
    union all
    select payment_id, 'refund_requested', 'migrated', null, updated_at from payments where status in ('refunding', 'refund_due')
    union all
    select payment_id, 'refund_by_hand', 'migrated', null, updated_at from payments where status = 'refund_due'
    union all
    select payment_id, 'voided', 'migrated', null, updated_at from payments where status = 'declined';
update payments set
    source = case when provider = 'external' then 'api' when payment_id = provider || ':' || transaction_id then 'webhook' else 'charge' end,
    captured = case when status in ('captured', 'refunded', 'refund_due') or (status = 'refunding' and payment_id = provider || ':' || transaction_id) then amount else 0 end,
    refunded = case when status = 'refunded' then amount else 0 end,
    due = case when status = 'refund_due' or (status = 'refunding' and payment_id = provider || ':' || transaction_id) then amount else 0 end,
    allocated = case when status = 'captured' then amount else 0 end,
    balance_version = 1;
alter table payments validate constraint payments_balance;

-- A transaction that a caller confirmed without a provider is looked up by its id alone.
create index payments_transaction_id on payments (transaction_id);
create index payments_aliases on payments using gin (aliases);
-- The work list.
create index payments_attention on payments (updated_at) where due > 0 or unmatched > 0 or concerns <> '{}';

-- What an open order waits for, and until when.
alter table orders add column waiting_json jsonb;
