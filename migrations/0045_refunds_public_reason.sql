-- The reason of a refund for the customer. Safe while the previous release runs: a column without a default is null.
alter table refunds add column public_reason text;
