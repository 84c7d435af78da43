-- Returns of delivered units.
-- Safe while the previous release runs: it neither reads nor writes the table, and it writes none of the new events.
create table returns (
    order_id text not null,
    return_id text not null,
    state text not null constraint returns_state_check
        check (state in ('requested', 'approved', 'rejected', 'received', 'closed', 'cancelled')),
    -- [{"sku": …, "quantity": …, "reason": …, "received_quantity": …}], each SKU once.
    items_json jsonb not null,
    is_restocked boolean not null default false,
    -- The refund of the received units.
    refund_id text,
    -- The reason of the shop's decision, or of the cancellation.
    note text,
    -- The reason for the customer, who does not read the other one.
    public_reason text,
    -- The name of the caller.
    requested_by text not null,
    -- Whether the caller was one of the customer.
    requested_by_customer boolean not null default false,
    -- Hashes of the request and of the receipt, which tell a repeated request from another one.
    fingerprint text not null,
    receipt_fingerprint text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (order_id, return_id),
    constraint returns_receipt_check check ((receipt_fingerprint is not null) = (state in ('received', 'closed'))),
    constraint returns_refund_check check (refund_id is null or state in ('received', 'closed')),
    -- A return without a refund is closed at its receipt.
    constraint returns_received_check check (state <> 'received' or refund_id is not null)
);

-- As before, with the events of returns.
create or replace function endpoint_event_type(audit_type text) returns text language sql immutable parallel safe as $$
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
            'shipment_stopped', 'refund_due', 'order_updated', 'items_updated', 'shipment_tracked',
            'return_requested', 'return_approved', 'return_rejected', 'return_received', 'return_cancelled',
            'return_closed') then 'order.updated'
    end
$$;
