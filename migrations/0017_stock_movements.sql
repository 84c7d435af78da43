-- Every change of the received units of a SKU is a movement: who changed the stock, when and why. Reservations, shipments
-- and releases move units between the columns of `inventory` and are no movements; `reservations` has them.
-- Safe while the previous release runs: it never reads the table, and a trigger records the changes that it makes. The
-- trigger needs a lock on `inventory` that stops writes; the statements behind it copy one row per SKU.

create table stock_movements (
    movement_id bigint generated always as identity primary key,
    sku text not null references inventory (sku),
    -- `opening`: the stock when the SKU was first ordered, or when this table was created. `set`, `adjust`: by a caller or
    -- an operator. `correction`: by any other change of the row.
    kind text not null check (kind in ('opening', 'set', 'adjust', 'correction')),
    old_available bigint not null check (old_available >= 0),
    new_available bigint not null check (new_available >= 0),
    -- The change of `inventory.received`.
    change bigint not null,
    -- The name of the caller, `cli`, or `system`.
    changed_by text not null,
    reason text,
    -- A hash of the caller, its key and the SKU.
    idempotency_key text constraint stock_movements_idempotency_key_key unique,
    changed_at timestamptz not null default now(),
    constraint stock_movements_change_check
        check (kind not in ('set', 'adjust') or change = new_available - old_available)
);
create index stock_movements_sku on stock_movements (sku, movement_id desc);

-- Records changes of `received` by other statements than `change_stock`. It has the rights of its owner, so that every
-- role that can change the stock records it.
create function record_stock_movement() returns trigger language plpgsql
security definer set search_path = public, pg_temp as $$
begin
    -- `change_stock` inserts the movement itself, and a backup contains the movements.
    if current_setting('orderflow.has_movement', true) = 'on' then
        return null;
    end if;
    if tg_op = 'INSERT' then
        insert into stock_movements (sku, kind, old_available, new_available, change, changed_by)
            values (new.sku, 'opening', 0, new.available, new.received, 'system');
    elsif new.received <> old.received then
        insert into stock_movements (sku, kind, old_available, new_available, change, changed_by)
            values (new.sku, 'correction', old.available, new.available, new.received - old.received, 'system');
    end if;
    return null;
end $$;

create trigger inventory_movement after insert or update of received on inventory
    for each row execute function record_stock_movement();

-- Adds the opening movement of each SKU without movements: now, and after the restore of a backup of an earlier release.
create function add_opening_movements() returns bigint language sql as $$
    with added as (
        insert into stock_movements (sku, kind, old_available, new_available, change, changed_by)
            select sku, 'opening', 0, available, received, 'system' from inventory
            where not exists (select from stock_movements where stock_movements.sku = inventory.sku)
            order by sku returning 1
    )
    select count(*) from added
$$;
select add_opening_movements();

-- Sets the available units of a SKU (`set_to`) or changes them by a number (`adjust_by`); the other argument is null.
-- `outcome`: `changed`; `repeated`, when this key has made this change before; `key_reused`, when the key has made another
-- change; `unknown_sku`, for an adjustment; `below_zero` or `above_limit`, with the present stock.
create function change_stock(
    changed_sku text, set_to bigint, adjust_by bigint, most bigint, actor text, why text, key text,
    out outcome text, out now_available bigint, out now_held bigint, out now_shipped bigint, out created boolean
) language plpgsql set lock_timeout = '2s' as $$
declare
    known record;
    wanted bigint;
    before bigint;
begin
    created := false;
    for attempt in 1..2 loop
        select available, held, shipped into now_available, now_held, now_shipped
            from inventory where sku = changed_sku for update;
        exit when found;
        if set_to is null then
            outcome := 'unknown_sku';
            return;
        elsif set_to not between 0 and most then
            outcome := case when set_to < 0 then 'below_zero' else 'above_limit' end;
            return;
        end if;
        perform set_config('orderflow.has_movement', 'on', true);
        insert into inventory (sku, available, received) values (changed_sku, set_to, set_to) on conflict (sku) do nothing
            returning available, held, shipped into now_available, now_held, now_shipped;
        created := found;
        exit when created;
    end loop;
    -- The lock on the row orders two requests with the same key.
    select kind, new_available, change, reason, movement_id into known from stock_movements where idempotency_key = key;
    if found then
        outcome := case when known.reason is not distinct from why
                and (known.kind = 'set' and known.new_available = set_to
                    or known.kind = 'adjust' and known.change = adjust_by)
            then 'repeated' else 'key_reused' end;
        created := not exists (
            select from stock_movements where sku = changed_sku and movement_id < known.movement_id);
        return;
    end if;
    before := case when created then 0 else now_available end;
    wanted := coalesce(set_to, now_available + adjust_by);
    if wanted not between 0 and most then
        outcome := case when wanted < 0 then 'below_zero' else 'above_limit' end;
        return;
    end if;
    perform set_config('orderflow.has_movement', 'on', true);
    update inventory set available = wanted, received = received - available + wanted
        where sku = changed_sku and not created;
    perform set_config('orderflow.has_movement', '', true);
    insert into stock_movements (sku, kind, old_available, new_available, change, changed_by, reason, idempotency_key)
        values (changed_sku, case when set_to is null then 'adjust' else 'set' end, before, wanted, wanted - before, actor,
            why, key);
    now_available := wanted;
    outcome := 'changed';
end $$;
