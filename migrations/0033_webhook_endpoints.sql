-- Messages about orders to other systems: the endpoints that receive them, their secrets, and the outbox.
-- Safe while the previous release runs: it reads none of the tables, and its writes of audit events call the triggers,
-- which run with the rights of the owner. Each trigger takes a moment's lock on `events`.

create table webhook_endpoints (
    endpoint_id text primary key,
    url text not null,
    -- The types of its messages; `*` selects all types.
    event_types text[] not null
        constraint webhook_endpoints_event_types_check check (cardinality(event_types) > 0),
    description text,
    is_enabled boolean not null default true,
    disabled_at timestamptz,
    disabled_reason text,
    -- Exact to a second, so that not every message updates this row.
    last_success_at timestamptz,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint webhook_endpoints_disabled_check
        check (is_enabled = (disabled_at is null) and is_enabled = (disabled_reason is null))
);

-- The keys that sign the messages. No role of a function can read the secrets; the worker can.
create table webhook_endpoint_secrets (
    endpoint_id text not null references webhook_endpoints on delete cascade,
    secret text not null,
    created_at timestamptz not null default now(),
    -- The end of a secret that another one has replaced.
    expires_at timestamptz,
    primary key (endpoint_id, secret)
);
create unique index webhook_endpoint_secrets_current on webhook_endpoint_secrets (endpoint_id) where expires_at is null;

-- One message per audit event that an endpoint wants, and one per test.
create table endpoint_messages (
    -- The header `webhook-id`. A repeated decision about the same event has the same id.
    message_id text primary key,
    -- Null for a test.
    order_id text,
    seq integer,
    type text not null,
    occurred_at timestamptz not null,
    -- The row of the order after the event, with the sums of its payments.
    order_json jsonb,
    created_at timestamptz not null default now(),
    constraint endpoint_messages_order_key unique (order_id, seq),
    constraint endpoint_messages_order_check
        check ((order_id is null) = (seq is null) and (order_id is null) = (order_json is null))
);

-- The outbox: one row per message and endpoint.
create table endpoint_deliveries (
    delivery_id bigint generated always as identity primary key,
    endpoint_id text not null references webhook_endpoints on delete cascade,
    message_id text not null references endpoint_messages on delete cascade,
    order_id text,
    seq integer,
    status text not null default 'pending'
        constraint endpoint_deliveries_status_check check (status in ('pending', 'delivered', 'failed')),
    attempts integer not null default 0,
    -- When a worker may send the message. While one sends it, the end of its lease.
    next_attempt_at timestamptz not null default now(),
    is_claimed boolean not null default false,
    -- The begin of the time for which the message is repeated.
    retry_since timestamptz not null default now(),
    response_status integer,
    error text,
    delivered_at timestamptz,
    created_at timestamptz not null default now(),
    constraint endpoint_deliveries_message_key unique (endpoint_id, message_id),
    constraint endpoint_deliveries_delivered_check check ((status = 'delivered') = (delivered_at is not null))
);
create index endpoint_deliveries_due on endpoint_deliveries (endpoint_id, next_attempt_at, delivery_id)
    where status = 'pending';
create index endpoint_deliveries_order on endpoint_deliveries (endpoint_id, order_id, seq) where status = 'pending';
create index endpoint_deliveries_page on endpoint_deliveries (endpoint_id, delivery_id);
create index endpoint_deliveries_message on endpoint_deliveries (message_id);

-- Returns the type of the message about an audit event; null for an event without a message.
create function endpoint_event_type(audit_type text) returns text language sql immutable parallel safe as $$
    select case
        when audit_type = 'order_received' then 'order.created'
        when audit_type in ('payment_captured', 'payment_confirmed') then 'order.paid'
        when audit_type = 'order_shipped' then 'order.shipped'
        when audit_type = 'order_delivered' then 'order.delivered'
        when audit_type = 'order_cancelled' then 'order.cancelled'
        when audit_type = 'order_failed' then 'order.failed'
        when audit_type = 'order_held' then 'order.held'
        when audit_type = 'order_released' then 'order.released'
        when audit_type in ('payment_refunded', 'payment_refund_reported', 'refund_completed') then 'order.refunded'
        when audit_type in ('review_started', 'review_approved', 'payment_authorised', 'payment_part_received',
            'payment_capture_failed', 'payment_returned', 'payment_warning', 'payment_disputed', 'payment_held',
            'payment_released', 'payment_refund_failed', 'payment_refund_due', 'payment_cancelled', 'address_updated',
            'shipment_stopped', 'refund_due', 'order_updated', 'items_updated', 'shipment_tracked') then 'order.updated'
    end
$$;

-- Adds the messages about new audit events to the outbox of each endpoint that wants them.
create function write_endpoint_messages() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
begin
    -- A restored backup has its messages.
    if not exists (select from webhook_endpoints where is_enabled)
        or current_setting('orderflow.has_messages', true) = 'on'
    then
        return null;
    end if;
    with wanted as (
        select order_id, seq, ts, message_type
        from (select order_id, seq, ts, endpoint_event_type(type) as message_type from inserted) as event
        where message_type is not null and exists (
            select from webhook_endpoints where is_enabled and event_types && array['*', message_type])
    ), message as (
        insert into endpoint_messages (message_id, order_id, seq, type, occurred_at, order_json)
            select 'msg_' || left(encode(sha256(convert_to(
                    concat_ws(' ', orders.id, orders.run_id, wanted.seq, message_type), 'UTF8')), 'hex'), 32),
                orders.id, wanted.seq, message_type, wanted.ts,
                to_jsonb(orders) || (
                    select jsonb_build_object('captured', sum(captured)::bigint, 'refunded', sum(refunded)::bigint,
                        'due', sum(due)::bigint)
                    from payments where order_id = orders.id and payments.currency = orders.currency)
            from wanted join orders on orders.id = wanted.order_id
            order by orders.id, wanted.seq
            on conflict do nothing
            returning message_id, order_id, seq, type
    )
    insert into endpoint_deliveries (endpoint_id, message_id, order_id, seq, next_attempt_at)
        select endpoint_id, message_id, order_id, seq,
            -- A later message of the order is due when the earlier one has its outcome.
            case when row_number() over (partition by endpoint_id, order_id order by seq) = 1 then now()
                else now() + interval '5 minutes' end
        from message join webhook_endpoints on is_enabled and event_types && array['*', message.type]
        order by order_id, seq;
    return null;
end $$;
create trigger events_messages after insert on events referencing new table as inserted
    for each statement execute function write_endpoint_messages();

-- Deletes the messages about audit events that a repeated workflow task has replaced, or that are purged.
create function delete_endpoint_messages() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
begin
    delete from endpoint_messages using deleted
        where endpoint_messages.order_id = deleted.order_id and endpoint_messages.seq = deleted.seq;
    return null;
end $$;
create trigger events_messages_deleted after delete on events referencing old table as deleted
    for each statement execute function delete_endpoint_messages();
