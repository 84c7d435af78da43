-- Orders, their audit trail, payments, stock and parcels.
-- Money is in minor units. Written only by the worker's activities: the workflow is the authority,
-- these rows are its durable, readable image.

create table orders (
    id text primary key,
    -- Which workflow run this row is the image of: a second run of a forgotten id leaves it alone.
    run_id text not null,
    state text not null check (state in ('pending', 'payment_confirmed', 'preparing', 'shipped', 'delivered', 'cancelled', 'failed')),
    step text not null check (step in ('receive', 'validate', 'manual_review', 'pay', 'prepare', 'dispatch', 'deliver', 'compensate', 'done')),
    is_running boolean not null,
    customer_id text,
    customer_json jsonb not null default '{}',
    items_json jsonb not null default '[]',
    address_json jsonb,
    currency text check (currency ~ '^[A-Z]{3}$'),
    total_amount bigint check (total_amount > 0),
    review text check (review in ('approved', 'rejected')),
    payment_json jsonb,
    shipment_json jsonb,
    estimated_delivery timestamptz,
    cancellation_reason text,
    failure_json jsonb,
    retries_json jsonb not null default '{}',
    -- That stock was refused is decided once, like that it is held.
    refused_sku text,
    refused_available bigint,
    -- The image's version, counted by the workflow: an older image never replaces a newer one.
    version integer not null,
    -- The last entry of the audit trail that this image includes.
    last_seq integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check ((total_amount is null) = (currency is null)),
    check (is_running or step = 'done')
);
comment on column orders.total_amount is 'minor units';
-- One index for each documented filter of the list, each in the order of its pages.
create index orders_created on orders (created_at desc, id desc);
create index orders_state on orders (state, created_at desc, id desc);
create index orders_customer on orders (customer_id, created_at desc, id desc);

create table events (
    id bigint generated always as identity primary key,
    order_id text not null references orders (id),
    seq integer not null check (seq > 0),
    type text not null,
    payload_json jsonb not null,
    ts timestamptz not null,
    constraint events_order_id_seq_key unique (order_id, seq)
);

create table payments (
    payment_id text primary key,
    order_id text not null references orders (id),
    status text not null check (status in ('pending', 'captured', 'declined', 'refunding', 'refunded', 'refund_due')),
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    transaction_id text,
    provider text not null,
    payment_method text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- A provider's transaction pays once.
    constraint payments_provider_transaction_id_key unique (provider, transaction_id)
);
create index payments_order_id on payments (order_id);

create table inventory (
    sku text primary key,
    available bigint not null check (available >= 0),
    held bigint not null default 0 check (held >= 0),
    shipped bigint not null default 0 check (shipped >= 0),
    -- All stock ever set or added: what the other three must sum up to.
    received bigint not null,
    constraint inventory_conserved check (available + held + shipped = received)
);

create table reservations (
    order_id text not null references orders (id),
    sku text not null references inventory (sku),
    quantity bigint not null check (quantity > 0),
    state text not null check (state in ('held', 'released', 'shipped')),
    primary key (order_id, sku)
);
create index reservations_sku on reservations (sku);

create table shipments (
    shipment_id text primary key,
    order_id text not null references orders (id),
    state text not null check (state in ('prepared', 'dispatched', 'cancelled')),
    address_json jsonb,
    items_json jsonb not null,
    tracking_number text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check ((state = 'dispatched') = (tracking_number is not null))
);
create index shipments_order_id on shipments (order_id);

-- The outbox of mails: a row in the transaction of the event that it tells of.
create table notifications (
    id bigint generated always as identity primary key,
    order_id text not null references orders (id),
    kind text not null check (kind in ('order_received', 'payment_confirmed', 'order_shipped', 'order_delivered', 'order_cancelled')),
    seq integer not null,
    recipient text,
    status text not null default 'pending' check (status in ('pending', 'sent', 'skipped')),
    message_id text not null unique,
    attempts integer not null default 0,
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    constraint notifications_order_id_kind_key unique (order_id, kind)
);
create index notifications_pending on notifications (created_at) where status = 'pending';

create table webhook_deliveries (
    id bigint generated always as identity primary key,
    provider text not null,
    event_id text not null,
    -- Not a foreign key: a provider may name an order that we do not have.
    order_id text,
    outcome text not null,
    received_at timestamptz not null default now(),
    constraint webhook_deliveries_provider_event_id_key unique (provider, event_id)
);
create index webhook_deliveries_order_id on webhook_deliveries (order_id);
