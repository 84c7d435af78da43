// The list of orders, filtered by status, with pages.

import { call } from './api.js';
import { money, part, problem, status, time, words } from './parts.js';

const STATUSES = ['pending', 'payment_confirmed', 'preparing', 'shipped', 'delivered', 'cancelled', 'failed'];
const PAGE = 50;

export function list(place, signal) {
  const rows = part('tbody', {});
  const trouble = part('div', {});
  const more = part('button', { type: 'button', hidden: true, onclick: () => load(next) }, 'More');
  const filters = part('div', { class: 'row', role: 'group', 'aria-label': 'Filter by status' });
  const customer = part('input', { id: 'customer', type: 'search', autocomplete: 'off', spellcheck: 'false' });
  const find = part('input', { id: 'find', type: 'search', autocomplete: 'off', spellcheck: 'false' });
  let chosen = '';
  let next = null;
  // Only the response to the latest request is shown.
  let question = 0;

  const first = () => {
    const query = new URLSearchParams({ limit: PAGE });
    if (chosen) query.set('status', chosen);
    if (customer.value.trim()) query.set('customer_id', customer.value.trim());
    return `/orders?${query}`;
  };

  async function load(path = null) {
    const mine = ++question;
    more.disabled = true;
    try {
      const answer = await call('GET', path ?? first());
      if (mine !== question || signal.aborted) return;
      trouble.replaceChildren();
      const found = answer.body.orders.map(row);
      if (path) rows.append(...found);
      else rows.replaceChildren(...(found.length ? found : [part('tr', {}, part('td', { colspan: 6, class: 'soft' }, 'No orders found.'))]));
      next = answer.link;
      more.hidden = !next;
    } catch (error) {
      if (mine === question && !signal.aborted) trouble.replaceChildren(problem(error));
    } finally {
      more.disabled = false;
    }
  }

  // The API has no counts, so this counts the first page of each status.
  async function count(name, place) {
    try {
      const answer = await call('GET', `/orders?${new URLSearchParams({ status: name, limit: PAGE })}`);
      place.textContent = ` ${answer.body.orders.length}${answer.link ? '+' : ''}`;
    } catch {
      place.textContent = '';
    }
  }

  const buttons = ['', ...STATUSES].map((name) => {
    const counted = part('span', { class: 'count' });
    if (name) count(name, counted);
    const press = () => {
      chosen = name;
      for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.status === chosen));
      load();
    };
    return part('button', { type: 'button', 'data-status': name, 'aria-pressed': String(name === ''), onclick: press }, name ? words(name) : 'All', counted);
  });
  filters.append(...buttons);

  const submit = (event) => {
    event.preventDefault();
    if (find.value.trim()) location.hash = `#/orders/${encodeURIComponent(find.value.trim())}`;
    else load();
  };
  const heads = ['Order', 'Status', 'Step', 'Customer', 'Total', 'Created'].map((name) => part('th', { scope: 'col' }, name));
  place.replaceChildren(
    part('h2', {}, 'Orders'),
    filters,
    part(
      'form',
      { class: 'row', onsubmit: submit },
      part('label', { for: 'customer' }, 'Customer'), customer,
      part('label', { for: 'find' }, 'Order id'), find,
      part('button', { type: 'submit' }, 'Show'),
      part('button', { type: 'button', onclick: () => load() }, 'Refresh'),
    ),
    trouble,
    part('div', { class: 'scroll' }, part('table', {}, part('thead', {}, part('tr', {}, heads)), rows)),
    part('p', {}, more),
  );
  load();
}

function row(order) {
  const link = part('a', { href: `#/orders/${encodeURIComponent(order.order_id)}`, class: 'mono' }, order.order_id);
  return part(
    'tr',
    {},
    part('td', {}, link),
    part('td', {}, status(order.status)),
    part('td', {}, order.is_running ? words(order.step) : '–'),
    part('td', {}, order.customer?.name ?? order.customer_id ?? '–'),
    part('td', { class: 'number' }, money(order.total_amount, order.currency)),
    part('td', {}, time(order.created_at)),
  );
}
