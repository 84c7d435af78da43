-- The work list has an entry for each confirmation that an order refused. They are few, so the index is small.
-- The statement locks the table against writes while it reads it once.
create index webhook_deliveries_refused on webhook_deliveries (received_at) where event_json ->> 'kind' = 'report_refused';
