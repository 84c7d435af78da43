-- The audit log of an ended order changes by the functions of this migration only.
-- Safe while the previous release runs: its writes call `write_order`, and its purge deletes the row of an order before
-- the order's audit events. Its erasure of personal data is refused; repeat it with this release. The new triggers take
-- a moment's lock on `events`.

-- Refuses to change or delete an audit event of an ended order. An event without an order is not protected: its order
-- is purged, or a restored database lacks it. The setting alone allows nothing, because every user can set it: only
-- the functions below run as their owner. For the owner, the setting stops a statement that was written by mistake.
create function refuse_change_of_ended_order() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    is_allowed boolean := coalesce(current_setting('orderflow.changes_ended_order', true), '') = 'on'
        and current_user = (select pg_get_userbyid(proowner) from pg_proc
            where oid = 'refuse_change_of_ended_order()'::regprocedure);
begin
    if not is_allowed and exists (select from orders where id = old.order_id and not is_running) then
        raise exception 'audit event % of order % cannot change, because the order has ended', old.seq, old.order_id
            using errcode = 'restrict_violation',
                hint = '"orderflow customer erase" erases personal data; "orderflow purge" deletes whole orders.';
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end $$;
-- Not on insert: events are appended to ended orders, such as a late refund, and a write costs the same as before.
create trigger events_protected_change before update on events for each row
    when (old.* is distinct from new.*) execute function refuse_change_of_ended_order();
create trigger events_protected_deletion before delete on events for each row
    execute function refuse_change_of_ended_order();

-- Replaces the payload of an audit event of an ended order with one without personal data.
create function erase_event(erased_order_id text, erased_seq integer, erased_payload jsonb) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform set_config('orderflow.changes_ended_order', 'on', true);
    update events set payload_json = erased_payload
        where order_id = erased_order_id and seq = erased_seq
            and exists (select from orders where id = erased_order_id and not is_running);
    perform set_config('orderflow.changes_ended_order', '', true);
end $$;

-- Deletes the audit events of a lost workflow task, which `write_order` replaces. The lost task can have ended the order.
create function delete_replaced_events(replaced_order_id text, after_seq integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform set_config('orderflow.changes_ended_order', 'on', true);
    delete from events where order_id = replaced_order_id and seq > after_seq;
    perform set_config('orderflow.changes_ended_order', '', true);
end $$;

do $$
declare
    definition text := pg_get_functiondef('write_order(jsonb)'::regprocedure);
    renewed text := replace(definition, 'delete from events where order_id = new.id and seq > after;',
        'perform delete_replaced_events(new.id, after);');
begin
    if renewed = definition then
        raise exception 'write_order deletes no audit events';
    end if;
    execute renewed;
end $$;

-- Only for the users that write orders. `orderflow migrate --iam-users` grants it to a user that it creates later.
revoke execute on function erase_event(text, integer, jsonb), delete_replaced_events(text, integer) from public;
do $$
declare
    writer name;
begin
    for writer in
        select rolname from pg_class, aclexplode(relacl) as granted join pg_roles on pg_roles.oid = granted.grantee
            where pg_class.oid = 'events'::regclass and privilege_type = 'DELETE'
    loop
        execute format('grant execute on function erase_event(text, integer, jsonb), '
            'delete_replaced_events(text, integer) to %I', writer);
    end loop;
end $$;
