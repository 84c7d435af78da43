-- no-transaction
-- One mail of each kind and subject.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index notifications_mail_key`) and migrate again.
create unique index concurrently if not exists notifications_mail_key on notifications (order_id, kind, subject_id);
