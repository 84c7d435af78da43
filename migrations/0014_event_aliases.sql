-- A payment event can call its payment by other ids, too. A transaction that appears later finds the event by each of them.
-- Few events have other ids, so the index is small. The statement locks the table against writes while it reads it once.
create index webhook_deliveries_aliases on webhook_deliveries using gin ((event_json -> 'aliases')) where event_json ? 'aliases';
