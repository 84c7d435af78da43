-- Mails about refunds and returns.
-- Safe while the previous release runs: it calls `write_order`, which uses the new key, and the triggers write the mails
-- about its refunds. Each change takes a moment's lock on `notifications` or `events`.

do $$
declare
    definition text := pg_get_functiondef('write_order(jsonb)'::regprocedure);
    renewed text := replace(definition, 'on conflict (order_id, kind) do', 'on conflict (order_id, kind, subject_id) do');
begin
    if renewed = definition then
        raise exception 'write_order has no key of a mail';
    end if;
    execute renewed;
end $$;
alter table notifications drop constraint notifications_order_id_kind_key;
alter table notifications drop constraint notifications_kind_check;
alter table notifications add constraint notifications_kind_check check (kind in ('order_received', 'payment_confirmed',
    'order_shipped', 'order_delivered', 'order_cancelled', 'refund_completed', 'return_received')) not valid;
alter table notifications add constraint notifications_subject_check
    check ((kind in ('refund_completed', 'return_received')) = (subject_id <> '')) not valid;

-- Writes the mail about a refund or a return, in the transaction of its audit event. The argument is the name of the
-- field of the payload that has the id. The function of the mail is the same for an open order, whose workflow can
-- replace the event, and for one that has ended.
create function write_subject_mail() returns trigger language plpgsql as $$
begin
    -- A restored backup has its mails.
    if current_setting('orderflow.has_messages', true) = 'on' then
        return null;
    end if;
    insert into notifications (order_id, kind, seq, subject_id, recipient, status, reason)
        select new.order_id, new.type, new.seq, new.payload_json ->> tg_argv[0], email,
            case when email is null or email = '[erased]' then 'skipped' else 'pending' end,
            case when email is null then 'the order has no e-mail address'
                when email = '[erased]' then 'the personal data was erased' end
        from (select customer_json ->> 'email' as email from orders where id = new.order_id) as customer
        on conflict (order_id, kind, subject_id) do update
            set seq = excluded.seq, created_at = now(), next_attempt_at = now(), attempts = 0
            where notifications.seq <> excluded.seq and notifications.status in ('pending', 'skipped');
    return null;
end $$;
create trigger events_refund_mail after insert on events for each row
    when (new.type = 'refund_completed') execute function write_subject_mail('refund_id');
create trigger events_return_mail after insert on events for each row
    when (new.type = 'return_received') execute function write_subject_mail('return_id');

-- Refunds from before this release are not mailed about.
insert into notifications (order_id, kind, seq, subject_id, status, reason)
select events.order_id, type, seq, refund_id, 'skipped', 'from before mails about refunds were sent'
from refunds join events using (order_id)
where type = 'refund_completed' and payload_json ->> 'refund_id' = refund_id;
