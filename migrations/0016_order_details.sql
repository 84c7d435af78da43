-- Orders with amounts beside their line items, metadata, a reference, notes and a billing address; orders with a total of
-- zero; holds.
-- Safe while the previous release runs: it calls the function as before, and reads none of the columns. The new columns rewrite
-- no row. The check is not validated, because it only widens the one before.

alter table orders
    -- The order's name in another system of the shop.
    add column external_reference text,
    -- The fields of a response that most orders do not have.
    add column details_json jsonb,
    -- An operator's hold.
    add column hold_json jsonb,
    drop constraint orders_total_amount_check,
    add constraint orders_total_amount_check check (total_amount >= 0) not valid;

-- As in migration 0015, with the new columns.
create or replace function write_order(written jsonb, out outcome text, out have integer) language plpgsql as $$
declare
    new orders := jsonb_populate_record(null::orders, written -> 'row');
    after integer := (written ->> 'after')::integer;
    stored record;
    is_replacing boolean;
    -- The previous release writes no details, and keeps those of the row.
    has_details boolean := written -> 'row' ? 'details_json';
begin
    select run_id, coalesce(writer_run_id, run_id) as writer, version, last_seq,
            -- The previous release wrote a far future for some rows.
            case when decided_at > now() + interval '1 day' then updated_at else decided_at end as decided_at
        into stored from orders where id = new.id for update;
    if not found then
        have := 0;
        if exists (select from purged_orders where order_id = new.id) then
            outcome := 'other_order';
            return;
        end if;
        if after > 0 or new.run_id is null then
            outcome := 'behind';
            return;
        end if;
        insert into orders (id, run_id, writer_run_id, state, step, is_running, customer_id, customer_json, items_json,
                address_json, currency, total_amount, external_reference, details_json, hold_json, review, payment_json, waiting_json, waiting_until, shipment_json,
                estimated_delivery, cancellation_reason, failure_json, retries_json, version, decided_at, last_seq,
                created_at, updated_at)
            values (new.id, new.run_id, new.writer_run_id, new.state, new.step, new.is_running, new.customer_id,
                new.customer_json, new.items_json, new.address_json, new.currency, new.total_amount, new.external_reference, new.details_json, new.hold_json, new.review,
                new.payment_json, new.waiting_json, new.waiting_until, new.shipment_json, new.estimated_delivery,
                new.cancellation_reason, new.failure_json, new.retries_json, new.version, new.decided_at, new.last_seq, new.created_at,
                new.updated_at)
            on conflict (id) do nothing;
        if not found then
            -- Another transaction has inserted the row meanwhile.
            select again.outcome, again.have into outcome, have from write_order(written) as again;
            return;
        end if;
        is_replacing := false;
    else
        have := stored.last_seq;
        if stored.run_id <> new.run_id then
            outcome := 'other_order';
            return;
        end if;
        if not (case when stored.writer = new.writer_run_id
            then (new.version / 1024, new.decided_at, new.version) > (stored.version / 1024, stored.decided_at, stored.version)
            else new.decided_at > stored.decided_at end)
        then
            outcome := case
                when have < new.last_seq then 'behind'
                when stored.writer = new.writer_run_id and stored.version = new.version
                    and stored.decided_at = new.decided_at then 'repeated'
                else 'newer' end;
            return;
        end if;
        if have < after then
            outcome := 'behind';
            return;
        end if;
        is_replacing := have > after;
        update orders set writer_run_id = new.writer_run_id, state = new.state, step = new.step,
                is_running = new.is_running, customer_id = new.customer_id, customer_json = new.customer_json,
                items_json = new.items_json, address_json = new.address_json, currency = new.currency,
                total_amount = new.total_amount,
                external_reference = case when has_details then new.external_reference else orders.external_reference end,
                details_json = case when has_details then new.details_json else orders.details_json end,
                hold_json = new.hold_json, review = new.review, payment_json = new.payment_json,
                waiting_json = new.waiting_json, waiting_until = new.waiting_until, shipment_json = new.shipment_json,
                estimated_delivery = new.estimated_delivery, cancellation_reason = new.cancellation_reason,
                failure_json = new.failure_json, retries_json = new.retries_json, version = new.version,
                decided_at = new.decided_at, last_seq = new.last_seq, updated_at = new.updated_at
            where id = new.id;
    end if;
    -- The later decision is in the history, so its audit events replace those of a lost task.
    if is_replacing then
        delete from events where order_id = new.id and seq > after;
        delete from notifications
            where order_id = new.id and seq > after and status in ('pending', 'skipped')
                and kind not in (select kind from jsonb_to_recordset(written -> 'mails') as mail (kind text));
    end if;
    insert into events (order_id, seq, type, payload_json, ts)
        select new.id, seq, type, payload, ts
        from jsonb_to_recordset(written -> 'events') as event (seq integer, type text, payload jsonb, ts timestamptz);
    if written -> 'mails' <> '[]' then
        insert into notifications (order_id, kind, seq, recipient, status, reason)
            select new.id, mail.kind, mail.seq, written ->> 'recipient',
                case when written ->> 'recipient' is null then 'skipped' else 'pending' end,
                case when written ->> 'recipient' is null then 'the order has no e-mail address' end
            from jsonb_to_recordset(written -> 'mails') as mail (kind text, seq integer)
            -- A mail whose kind is decided again keeps its row, because a worker may be sending it.
            on conflict (order_id, kind) do update
                set seq = excluded.seq, created_at = now(), next_attempt_at = now(), attempts = 0
                where notifications.seq > after and notifications.seq <> excluded.seq
                    and notifications.status in ('pending', 'skipped');
    end if;
    outcome := 'applied';
    have := new.last_seq;
end $$;
