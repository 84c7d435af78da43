-- Once a minute each worker counts the open orders that stand still; the others are many, and of no interest to it.
-- Writes wait while it is built, seconds for a million orders: workers try theirs again until it is there.
create index orders_open on orders (updated_at) where is_running;
