-- no-transaction
-- The unpaid orders of a customer, which a reservation adds up. Without it, a reservation would read all orders of the
-- customer.
-- Built without blocking writes, so it runs outside of a transaction. If it fails midway, an invalid index remains: drop
-- it (`drop index orders_unpaid`) and migrate again.
create index concurrently if not exists orders_unpaid on orders (customer_id) where is_running and state = 'pending';
