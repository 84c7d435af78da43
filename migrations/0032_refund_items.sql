-- The units and the shipping whose value a refund pays back. Null for a refund of an amount.
-- Safe while the previous release runs: it neither reads nor writes the columns.
alter table refunds
    -- [{"sku": …, "quantity": …}]
    add column items_json jsonb,
    -- Minor units.
    add column shipping_amount bigint check (shipping_amount > 0),
    add column is_restocked boolean not null default false;
