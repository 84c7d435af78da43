-- Which of two images stands that were written from one place in the history. A workflow task that is tried again and
-- again keeps its place until a try holds; what an earlier try wrote gives way to what the later one decided.
-- A constant default: no row is rewritten. The release before leaves it as it is.
alter table orders add column decided_at timestamptz not null default 'epoch';
