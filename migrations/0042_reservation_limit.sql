-- A reservation can have a limit: the most units that all unpaid orders of its customer hold.
-- Safe while the previous release runs: it calls the function without the limit, which then has no effect. Replacing a
-- function needs no lock on a table.
drop function write_order_and_reserve(jsonb, jsonb, bigint);

-- Writes an order and reserves all its line items, or none. `lines` has the quantity of each SKU once. A SKU without a row
-- gets one with `default_stock` available units. Returns the SKUs that are short, if any, or in `over_limit` the units that
-- the other unpaid orders of the customer hold, if all of them together would exceed `customer_limit`.
create function write_order_and_reserve(
    written jsonb, lines jsonb, default_stock bigint, customer_limit bigint default null,
    out outcome text, out have integer, out short_sku text, out short_available bigint, out short_lines jsonb,
    out over_limit bigint
) language plpgsql
-- Orders of one SKU wait for each other for milliseconds. A longer lock is somebody else's; the worker tries again, and
-- its connection serves other orders meanwhile.
set lock_timeout = '500ms' as $$
declare
    new_order_id text := written -> 'row' ->> 'id';
    new_customer_id text := written -> 'row' ->> 'customer_id';
    wanted integer := jsonb_array_length(lines);
    locked integer;
    other_units bigint;
begin
    select write.outcome, write.have into outcome, have from write_order(written) as write;
    -- With a newer row, the order has gone on without this attempt, which must not reserve anything.
    if outcome not in ('applied', 'repeated') then
        return;
    end if;
    if exists (select from reservations where order_id = new_order_id and state in ('held', 'shipped')) then
        return;
    end if;
    if customer_limit is not null and new_customer_id is not null then
        -- Reservations of one customer wait for each other, so that they cannot exceed the limit together. Only the row of
        -- the own order is locked here, so no cycle of locks is possible.
        perform pg_advisory_xact_lock(hashtextextended('reservations of ' || new_customer_id, 0));
        select coalesce(sum(quantity), 0) into other_units
            from orders join reservations on order_id = id
            where customer_id = new_customer_id and is_running and orders.state = 'pending' and id <> new_order_id
                and reservations.state = 'held';
        if other_units + (select sum(quantity) from jsonb_to_recordset(lines) as line (quantity bigint)) > customer_limit then
            over_limit := other_units;
            return;
        end if;
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
    select jsonb_agg(jsonb_build_object('sku', sku, 'wanted', quantity, 'available', available) order by sku collate "C")
        into short_lines
        from inventory join jsonb_to_recordset(lines) as line (sku text, quantity bigint) using (sku)
        where available < quantity;
    if short_lines is not null then
        short_sku := short_lines -> 0 ->> 'sku';
        short_available := (short_lines -> 0 ->> 'available')::bigint;
        return;
    end if;
    update inventory set available = available - quantity, held = held + quantity
        from jsonb_to_recordset(lines) as line (sku text, quantity bigint) where inventory.sku = line.sku;
    insert into reservations (order_id, sku, quantity, state)
        select new_order_id, sku, quantity, 'held' from jsonb_to_recordset(lines) as line (sku text, quantity bigint)
        -- After a reset, an order may reserve again what it has released.
        on conflict (order_id, sku) do update set state = 'held', quantity = excluded.quantity;
end $$;
