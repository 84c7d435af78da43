// The list of orders: its state is in the URL, and it is read again every ten seconds.

import { useEffect, useState } from 'preact/hooks';
import { call } from './api';
import { Empty, Failed, Loading, StatusPill, Table, Time } from './components';
import { readFilters, writeFilters, type Filters } from './filters';
import { amount, words } from './format';
import type { Order, OrderList } from './types';

const INTERVAL = 10_000;
const STATUSES = ['pending', 'preparing', 'shipped', 'delivered', 'cancelled', 'failed'];
const ATTENTION = ['review', 'hold', 'stalled', 'money'];
const SORTS: [string, string][] = [
  ['', 'newest first'], ['created_at', 'oldest first'], ['-updated_at', 'last changed first'], ['updated_at', 'longest unchanged first'],
];

function Choice({ label, value, choices, choose }: { label: string; value: string; choices: [string, string][]; choose: (value: string) => void }) {
  return (
    <label>{label}{' '}
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {choices.map(([code, text]) => <option key={code} value={code}>{text}</option>)}
      </select>
    </label>
  );
}

export function Orders({ hash, signedIn }: { hash: string; signedIn: number }) {
  const filters = readFilters(hash);
  const query = writeFilters(filters);
  const [shown, setShown] = useState<{ query: string; orders: Order[]; at: number } | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    let pause = INTERVAL;
    const read = async () => {
      try {
        const { body } = await call<OrderList>(`/orders${query ? `?${query}` : ''}`, { signal: stop.signal });
        setShown({ query, orders: body?.orders ?? [], at: Date.now() });
        setError(null);
        pause = INTERVAL;
      } catch (failure) {
        if (stop.signal.aborted) return;
        setError(failure);
        pause = Math.min(pause * 2, 120_000);
      }
      timer = window.setTimeout(read, pause);
    };
    setError(null);
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [query, signedIn]);

  const change = (changed: Filters) => {
    const next = writeFilters({ ...filters, ...changed });
    location.hash = next ? `#/orders?${next}` : '#/orders';
  };
  const codes = (all: string, list: string[]): [string, string][] => [['', all], ...list.map((code): [string, string] => [code, words(code)])];
  const current = shown?.query === query ? shown : null;
  return (
    <main>
      <h1>Orders</h1>
      <form class="row" role="search" onSubmit={(event) => { event.preventDefault(); change({ q: String(new FormData(event.currentTarget).get('q') ?? '') }); }}>
        <label>Search{' '}<input key={query} type="search" name="q" defaultValue={filters.q ?? ''} /></label>
        <Choice label="Status" value={filters.status ?? ''} choices={codes('all', STATUSES)} choose={(status) => change({ status })} />
        <Choice label="Needs a person" value={filters.attention ?? ''} choices={codes('any', ATTENTION)} choose={(attention) => change({ attention })} />
        <Choice label="Sort" value={filters.sort ?? ''} choices={SORTS} choose={(sort) => change({ sort })} />
        <button type="submit">Search</button>
      </form>
      {error !== null && <Failed error={error} now={Date.now()} seen={current ? new Date(current.at).toISOString() : undefined} />}
      {!current && error === null && <Loading />}
      {current?.orders.length === 0 && <Empty>No order matches these filters.</Empty>}
      {current && current.orders.length > 0 && (
        <Table
          caption="Orders that match the filters"
          rows={current.orders}
          id={(order) => order.order_id}
          columns={[
            { head: 'Order', cell: (order) => order.order_id },
            { head: 'Status', cell: (order) => <StatusPill status={order.status} /> },
            { head: 'Waits for', cell: (order) => (order.waiting_for ? words(order.waiting_for.reason) : '–') },
            { head: 'Customer', cell: (order) => order.customer.name ?? order.customer.email ?? order.customer.id ?? '–' },
            { head: 'Total', number: true, cell: (order) => amount(order.total_amount, order.currency) },
            { head: 'Created', cell: (order) => <Time at={order.created_at} now={current.at} /> },
          ]}
        />
      )}
    </main>
  );
}
