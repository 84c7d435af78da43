-- The attempt that prepared the parcel last: a late write of an earlier attempt changes nothing. The previous release
-- ignores both columns. Each statement locks its table for a moment only, because a constant default rewrites no row.
alter table shipments add column attempt integer not null default 0;

-- The consignment that the simulated carrier received with the request.
alter table simulator.parcels add column consignment_json jsonb;
