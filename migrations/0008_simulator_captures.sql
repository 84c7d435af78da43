-- The simulated provider can authorise first and capture later.
-- Safe while the previous release runs: it only writes the values that were allowed before.
alter table simulator.payments
    drop constraint payments_kind_check,
    add constraint payments_kind_check check (kind in ('authorise', 'capture', 'refund', 'void', 'decline'));
alter table simulator.faults
    drop constraint faults_operation_check,
    add constraint faults_operation_check check (operation in ('charge', 'capture', 'refund', 'dispatch', 'cancel_shipment'));
