-- A reservation names every SKU that is short, with the wanted and the available units. The previous release reads
-- `short_sku` and `short_available`, the first of them. Replacing a function needs no lock on a table.
drop function write_order_and_reserve(jsonb, jsonb, bigint);

-- Writes an order and reserves all its line items, or none. `lines` has the quantity of each SKU once. A SKU without a row
-- gets one with `default_stock` available units. Returns the SKUs that are short, if any.
create function write_order_and_reserve(
    written jsonb, lines jsonb, default_stock bigint,
    out outcome text, out have integer, out short_sku text, out short_available bigint, out short_lines jsonb
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
