-- Writes a new order and reserves a unit of one of :skus SKUs, as the worker does. Run with
-- pgbench -n -M prepared -D skus=1 -f.
\set number random(1, 2000000000)
select outcome from write_order_and_reserve(
    jsonb_build_object(
        'after', 0, 'recipient', null, 'mails', '[]'::jsonb,
        'events', jsonb_build_array(
            jsonb_build_object('seq', 1, 'type', 'order_received', 'payload', '{}'::jsonb, 'ts', now()),
            jsonb_build_object('seq', 2, 'type', 'order_validated', 'payload', '{}'::jsonb, 'ts', now()),
            jsonb_build_object('seq', 3, 'type', 'inventory_reserved', 'payload', '{}'::jsonb, 'ts', now())),
        'row', jsonb_build_object(
            'id', 'bench-' || :number, 'run_id', 'run-' || :number, 'writer_run_id', 'run-' || :number,
            'state', 'pending', 'step', 'pay', 'is_running', true, 'customer_json', '{}'::jsonb,
            'items_json', '[]'::jsonb, 'currency', 'USD', 'total_amount', 5000, 'retries_json', '{}'::jsonb,
            'version', 5000, 'decided_at', now(), 'last_seq', 3, 'created_at', now(), 'updated_at', now())),
    jsonb_build_array(jsonb_build_object('sku', 'S' || (:number::bigint % :skus), 'quantity', 1)), 100000000);
