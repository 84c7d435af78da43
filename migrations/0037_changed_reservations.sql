-- Changes of the quantities of an order that holds stock.
-- Safe while the previous release runs: it does not call the function.

-- Writes an order and changes its reservation to `lines`, which has the quantity of each SKU once. It changes all SKUs or
-- none, and a repeated call changes nothing. `is_held`: the order holds stock; null with a newer row. Returns the first SKU that is short, if any.
create function write_order_and_change_reservation(
    written jsonb, lines jsonb,
    out outcome text, out have integer, out is_held boolean, out short_sku text, out short_available bigint
) language plpgsql
set lock_timeout = '500ms' as $$
declare
    changed_order_id text := written -> 'row' ->> 'id';
    -- The SKUs whose quantity changes, each with the number of units that the order needs more.
    changes jsonb;
begin
    select write.outcome, write.have into outcome, have from write_order(written) as write;
    -- With a newer row, the order has gone on, perhaps with another change. It asks again if it needs this one.
    if outcome not in ('applied', 'repeated') then
        return;
    end if;
    -- The row of the order is locked, so no other call changes the reservation meanwhile.
    is_held := exists (select from reservations where order_id = changed_order_id and state = 'held');
    if not is_held then
        return;
    end if;
    select coalesce(jsonb_agg(jsonb_build_object('sku', sku, 'more', coalesce(line.quantity, 0) - coalesce(present.quantity, 0))), '[]')
        into changes
        from (select sku, quantity from reservations where order_id = changed_order_id and state = 'held') as present
            full join jsonb_to_recordset(lines) as line (sku text, quantity bigint) using (sku)
        where coalesce(line.quantity, 0) <> coalesce(present.quantity, 0);
    perform from inventory join jsonb_to_recordset(changes) as change (sku text) using (sku)
        order by sku collate "C" for update of inventory;
    select sku, available into short_sku, short_available
        from inventory join jsonb_to_recordset(changes) as change (sku text, more bigint) using (sku)
        where available < more order by sku collate "C" limit 1;
    if found then
        return;
    end if;
    update inventory set available = available - more, held = held + more
        from jsonb_to_recordset(changes) as change (sku text, more bigint) where inventory.sku = change.sku;
    delete from reservations where order_id = changed_order_id
        and sku not in (select sku from jsonb_to_recordset(lines) as line (sku text));
    insert into reservations (order_id, sku, quantity, state)
        select changed_order_id, sku, quantity, 'held' from jsonb_to_recordset(lines) as line (sku text, quantity bigint)
        on conflict (order_id, sku) do update set state = 'held', quantity = excluded.quantity;
end $$;
