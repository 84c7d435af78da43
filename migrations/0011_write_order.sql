-- One function writes an order: its row, its audit events and its mails, in one round trip. It decides whether a write
-- applies, and returns what the database has.
-- Safe while the previous release runs: it adds columns and functions, and drops constraints and an index. Without the
-- index, the previous release counts late orders slowly.

-- The run that wrote the row last. A reset and continue-as-new begin another run of the order; `run_id` is the first run.
alter table orders add column writer_run_id text;

-- Until when the order waits for time or for a request. Null while it must make progress by itself.
alter table orders add column waiting_until timestamptz;

-- Each write of an order changes only columns without an index, if its status and its wait stay the same. PostgreSQL then
-- writes no index, if the page has space for the new version of the row.
drop index orders_open;
alter table orders set (fillfactor = 70);

-- The previous release kept the end of most waits in the audit log only.
update orders set waiting_until = case
        when step = 'deliver' then (shipment_json ->> 'shipped_at')::timestamptz + (policy -> 'delivery' ->> 'after')::interval
        when step in ('manual_review', 'pay') then (
            select case when payload_json ->> 'timeout' is not null then ts + (payload_json ->> 'timeout')::interval end
            from events where order_id = orders.id and type = any(case step
                when 'manual_review' then array['review_started', 'review_approved']
                else array['payment_requested', 'payment_accepted', 'payment_confirmed', 'payment_captured'] end)
            order by seq desc limit 1)
        when step in ('prepare', 'dispatch') then updated_at + (policy ->> 'shipping_delay')::interval
    end
    from (select order_id, payload_json -> 'policy' as policy from events where seq = 1) as received
    where received.order_id = orders.id and is_running;
comment on column orders.run_id is 'the first run of the order''s chain of runs, which is the order''s identity';
comment on column orders.decided_at is 'the time of the workflow task that decided the row, by Temporal''s clock';

-- A database that was restored may lack an order whose workflow goes on and writes it again. Until then these rows have
-- no order. `orderflow verify` finds rows that never get one.
alter table events drop constraint events_order_id_fkey;
alter table payments drop constraint payments_order_id_fkey;
alter table reservations drop constraint reservations_order_id_fkey;
alter table shipments drop constraint shipments_order_id_fkey;
alter table notifications drop constraint notifications_order_id_fkey;

-- Writes an order unless the row is newer. `written` has: `chain`, the first run, which owns the row; `run`, the run that
-- decided; `after`, the number after which `events` go on; `row`, the columns; `events`; `mails` and their `recipient`.
--
-- Of two writes of one run, the one with the longer history is newer. With equal histories, the one of the later workflow
-- task is newer: a task that is lost and repeated keeps its place in the history. Of two runs, the one of the later task
-- is newer.
--
-- `outcome`: `applied`; `repeated`, when this very write was applied before; `newer`, when the row has these events and
-- is newer; `behind`, when the row lacks events: the caller sends those after number `have`; `other_order`, when another
-- chain owns the row.
create function write_order(written jsonb, out outcome text, out have integer) language plpgsql as $$
declare
    new orders := jsonb_populate_record(null::orders, written -> 'row');
    after integer := (written ->> 'after')::integer;
    stored record;
    is_replacing boolean;
begin
    select run_id, coalesce(writer_run_id, run_id) as writer, version, last_seq,
            -- The previous release wrote a far future for some rows.
            case when decided_at > now() + interval '1 day' then updated_at else decided_at end as decided_at
        into stored from orders where id = new.id for update;
    if not found then
        have := 0;
        if after > 0 or new.run_id is null then
            outcome := 'behind';
            return;
        end if;
        insert into orders (id, run_id, writer_run_id, state, step, is_running, customer_id, customer_json, items_json,
                address_json, currency, total_amount, review, payment_json, waiting_json, waiting_until, shipment_json,
                estimated_delivery, cancellation_reason, failure_json, retries_json, version, decided_at, last_seq,
                created_at, updated_at)
            values (new.id, new.run_id, new.writer_run_id, new.state, new.step, new.is_running, new.customer_id,
                new.customer_json, new.items_json, new.address_json, new.currency, new.total_amount, new.review,
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
                total_amount = new.total_amount, review = new.review, payment_json = new.payment_json,
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

-- Writes an order and reserves all its line items, or none. `lines` has the quantity of each SKU once. A SKU without a row
-- gets one with `default_stock` available units. Returns the first SKU that is short, if any.
create function write_order_and_reserve(
    written jsonb, lines jsonb, default_stock bigint,
    out outcome text, out have integer, out short_sku text, out short_available bigint
) language plpgsql
-- Orders of one SKU wait for each other for milliseconds. A longer lock is somebody else's; the worker tries again, and
-- its connection serves other orders meanwhile.
set lock_timeout = '500ms' as $$
declare
    new_order_id text := written -> 'row' ->> 'id';
    wanted integer := jsonb_array_length(lines);
    locked integer;
begin
    select write.outcome, write.have into outcome, have from write_order(written) as write;
    -- With a newer row, the order has gone on without this attempt, which must not reserve anything.
    if outcome not in ('applied', 'repeated') then
        return;
    end if;
    if exists (select from reservations where order_id = new_order_id and state in ('held', 'shipped')) then
        return;
    end if;
    -- Two orders lock the rows of two SKUs in the same order, so they cannot block each other.
    for attempt in 1..2 loop
        select count(*) into locked from (
            select from inventory join jsonb_to_recordset(lines) as line (sku text) using (sku)
            order by sku collate "C" for update of inventory) as rows;
        exit when locked = wanted;
        insert into inventory (sku, available, received)
            select sku, default_stock, default_stock from jsonb_to_recordset(lines) as line (sku text)
            order by sku collate "C" on conflict (sku) do nothing;
    end loop;
    select sku, available into short_sku, short_available
        from inventory join jsonb_to_recordset(lines) as line (sku text, quantity bigint) using (sku)
        where available < quantity order by sku collate "C" limit 1;
    if found then
        return;
    end if;
    update inventory set available = available - quantity, held = held + quantity
        from jsonb_to_recordset(lines) as line (sku text, quantity bigint) where inventory.sku = line.sku;
    insert into reservations (order_id, sku, quantity, state)
        select new_order_id, sku, quantity, 'held' from jsonb_to_recordset(lines) as line (sku text, quantity bigint)
        -- After a reset, an order may reserve again what it has released.
        on conflict (order_id, sku) do update set state = 'held', quantity = excluded.quantity;
end $$;

-- Writes an order and releases its reservation. Returns whether the order has a released reservation.
create function write_order_and_release(written jsonb, out outcome text, out have integer, out released boolean)
language plpgsql as $$
begin
    select write.outcome, write.have into outcome, have from write_order(written) as write;
    if outcome in ('behind', 'other_order') then
        return;
    end if;
    with gone as (
        update reservations set state = 'released' where order_id = written -> 'row' ->> 'id' and state = 'held'
            returning sku, quantity
    ), locked as (
        select inventory.sku, quantity from inventory join gone using (sku) order by sku collate "C" for update of inventory
    )
    update inventory set available = available + quantity, held = held - quantity
        from locked where inventory.sku = locked.sku;
    released := exists (select from reservations where order_id = written -> 'row' ->> 'id' and state = 'released');
end $$;

-- Writes a parcel: prepared without a tracking number, dispatched with one. A later attempt replaces the address and the
-- items of a prepared parcel.
create function write_parcel(parcel jsonb) returns void language plpgsql as $$
declare
    new shipments := jsonb_populate_record(null::shipments, parcel);
begin
    insert into shipments as known (shipment_id, order_id, state, attempt, address_json, items_json, tracking_number)
        values (new.shipment_id, new.order_id, case when new.tracking_number is null then 'prepared' else 'dispatched' end,
            new.attempt, new.address_json, new.items_json, new.tracking_number)
        on conflict (shipment_id) do update set
            state = excluded.state, attempt = greatest(known.attempt, excluded.attempt), updated_at = now(),
            address_json = case when excluded.state = 'prepared' then excluded.address_json else known.address_json end,
            items_json = case when excluded.state = 'prepared' then excluded.items_json else known.items_json end,
            tracking_number = excluded.tracking_number
        where known.state = 'prepared' and (excluded.state = 'dispatched' or known.attempt <= excluded.attempt)
            or known.state = 'dispatched' and known.tracking_number = excluded.tracking_number;
    if not found and new.tracking_number is not null then
        raise exception 'parcel % was cancelled, or dispatched with another tracking number', new.shipment_id;
    end if;
end $$;

-- Writes an order and the parcel that it is about to hand over.
create function write_order_and_prepare(written jsonb, parcel jsonb, out outcome text, out have integer)
language plpgsql as $$
begin
    select write.outcome, write.have into outcome, have from write_order(written) as write;
    if outcome in ('applied', 'repeated') then
        perform write_parcel(parcel);
    end if;
end $$;

-- Writes an order, counts its reserved units as shipped, and records the parcel's dispatch. `parcel` is null if the
-- activity of an earlier release has recorded it.
create function write_order_and_ship(written jsonb, parcel jsonb, out outcome text, out have integer)
language plpgsql as $$
begin
    select write.outcome, write.have into outcome, have from write_order(written) as write;
    if outcome in ('behind', 'other_order') then
        return;
    end if;
    if parcel is not null then
        perform write_parcel(parcel);
    end if;
    with gone as (
        update reservations set state = 'shipped' where order_id = written -> 'row' ->> 'id' and state = 'held'
            returning sku, quantity
    ), locked as (
        select inventory.sku, quantity from inventory join gone using (sku) order by sku collate "C" for update of inventory
    )
    update inventory set held = held - quantity, shipped = shipped + quantity
        from locked where inventory.sku = locked.sku;
end $$;

-- Writes an order and inserts the payment of its charge, unless the payment exists. Returns the payment and its movements.
create function write_order_and_claim_charge(
    written jsonb, payment jsonb, out outcome text, out have integer, out inserted boolean, out claimed payments,
    out movements jsonb
) language plpgsql as $$
declare
    new payments := jsonb_populate_record(null::payments, payment);
begin
    select write.outcome, write.have into outcome, have from write_order(written) as write;
    if outcome in ('behind', 'other_order') then
        return;
    end if;
    insert into payments (payment_id, order_id, status, amount, currency, provider, payment_method, source)
        values (new.payment_id, new.order_id, 'pending', new.amount, new.currency, new.provider, new.payment_method,
            new.source)
        on conflict do nothing;
    inserted := found;
    select * into claimed from payments where payment_id = new.payment_id;
    movements := (
        select jsonb_agg(jsonb_build_object('kind', kind, 'reference', reference, 'amount', amount))
        from payment_movements where payment_id = new.payment_id);
end $$;

-- Adds the reservation of an order that a restored database has lost. Units that other orders hold meanwhile are missing
-- in the warehouse; they count as received, so that the counts of the SKU stay true.
create function restore_reservation(restored_order_id text, lines jsonb) returns integer language plpgsql as $$
declare
    lost integer;
begin
    insert into inventory (sku, available, received)
        select sku, 0, 0 from jsonb_to_recordset(lines) as line (sku text)
        order by sku collate "C" on conflict (sku) do nothing;
    perform from inventory join jsonb_to_recordset(lines) as line (sku text) using (sku)
        order by sku collate "C" for update of inventory;
    with added as (
        insert into reservations (order_id, sku, quantity, state)
            select restored_order_id, sku, quantity, 'held' from jsonb_to_recordset(lines) as line (sku text, quantity bigint)
            on conflict (order_id, sku) do nothing returning sku, quantity
    ), taken as (
        update inventory set available = available - least(available, quantity), held = held + quantity,
                received = received + quantity - least(available, quantity)
            from added where inventory.sku = added.sku
    )
    select count(*) into lost from added;
    return lost;
end $$;
