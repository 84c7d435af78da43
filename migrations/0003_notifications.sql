-- The outbox of mails comes into use. Nothing has written this table so far, so each change is a moment's lock.

-- `failed`: the mail server refused this mail for good; `reason` says with which words.
alter table notifications drop constraint notifications_status_check;
alter table notifications add constraint notifications_status_check
    check (status in ('pending', 'sent', 'skipped', 'failed'));

-- Given at the first try, since the sender's domain is part of it; then it stays.
alter table notifications alter column message_id drop not null;

-- When a worker may try (again). While one tries, the end of its lease: if it dies, another one takes over then.
alter table notifications add column next_attempt_at timestamptz not null default now();
-- Why it was skipped or failed, or has not gone out yet. May name the recipient, as the row does: never for a log.
alter table notifications add column reason text;

alter table notifications add constraint notifications_recipient_check
    check (recipient is not null or status = 'skipped');
alter table notifications add constraint notifications_sent_check
    check ((status = 'sent') = (sent_at is not null) and (status <> 'sent' or message_id is not null));
alter table notifications add constraint notifications_reason_check
    check (status not in ('skipped', 'failed') or reason is not null);
alter table notifications add constraint notifications_seq_check check (seq > 0);

drop index notifications_pending;
create index notifications_pending on notifications (next_attempt_at, id) where status = 'pending';

-- Orders from before this release are not mailed about what is past.
insert into notifications (order_id, kind, seq, status, reason)
select order_id, kind, min(seq), 'skipped', 'from before mails were sent'
from events join (values
    ('order_validated', 'order_received'),
    ('payment_captured', 'payment_confirmed'),
    ('payment_confirmed', 'payment_confirmed'),
    ('order_shipped', 'order_shipped'),
    ('order_delivered', 'order_delivered'),
    ('order_cancelled', 'order_cancelled'),
    ('order_failed', 'order_cancelled')
) as told (type, kind) using (type)
group by order_id, kind;
