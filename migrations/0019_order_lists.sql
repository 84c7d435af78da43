-- no-transaction
-- Lists search orders by the words of their id, e-mail address and name, without regard to case. One inverted index has
-- the words of all of them, which change once in the life of an order: PostgreSQL writes no index for the other changes
-- of the row. `crates/store/src/orders/list.rs` has the same expression.
-- Built without blocking writes, so it runs outside of a transaction, and each index has its own migration. If it fails
-- midway, an invalid index remains: drop it (`drop index orders_words`) and migrate again.
create index concurrently if not exists orders_words on orders using gin (array_to_tsvector(array_remove(
    string_to_array(lower(id || ' ' || coalesce(customer_json ->> 'email', '') || ' ' || coalesce(customer_json ->> 'name', '')), ' '),
    '')));
