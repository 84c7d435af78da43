// One order: its state, its progress, its audit log, and the actions of an operator.

import { actionButtons } from './actions.js';
import { call, orderPath } from './api.js';
import { facts, money, part, problem, status, time, words } from './parts.js';
import { progress } from './progress.js';

const EVERY = 1000;

export function order(place, id, signal) {
  const head = part('div', {});
  const buttons = part('div', {});
  const state = part('div', {});
  const trail = part('ol', { class: 'trail', 'aria-live': 'polite', 'aria-label': 'Audit log' });
  const trouble = part('div', {});
  const events = [];
  let drawn = '';
  let timer = 0;
  let busy = false;

  async function look() {
    // Only one read at a time, so that no audit event is shown twice.
    if (busy || signal.aborted) return;
    busy = true;
    clearTimeout(timer);
    let running = true;
    try {
      const { body } = await call('GET', orderPath(id));
      const fresh = await readTrail();
      if (signal.aborted) return;
      running = body.is_running || events.length < body.seq;
      trouble.replaceChildren();
      trail.append(...fresh.map(entry));
      draw(body);
    } catch (error) {
      // An unknown order or missing permission does not change by itself; other errors can be temporary.
      running = error.status !== 404 && error.status !== 401 && error.status !== 403;
      if (!signal.aborted) trouble.replaceChildren(problem(error));
    } finally {
      busy = false;
    }
    if (running && !signal.aborted) timer = setTimeout(() => (document.hidden ? null : look()), EVERY);
  }

  async function readTrail() {
    const fresh = [];
    let path = `${orderPath(id)}/events?after=${events.at(-1)?.seq ?? 0}&limit=200`;
    while (path) {
      const { body, link } = await call('GET', path);
      fresh.push(...body.events);
      path = link;
    }
    events.push(...fresh);
    return fresh;
  }

  function draw(body) {
    // Drawing moves the focus, so it happens only after a change.
    const version = JSON.stringify([body, events.length]);
    if (version === drawn) return;
    const focused = [...buttons.querySelectorAll('button')].findIndex((button) => button === document.activeElement);
    drawn = version;
    head.replaceChildren(
      part('h2', {}, part('span', { class: 'mono' }, body.order_id), ' ', status(body.status)),
      progress(body, events),
    );
    buttons.replaceChildren(actionButtons(body, look));
    if (focused >= 0) buttons.querySelectorAll('button')[focused]?.focus();
    state.replaceChildren(...details(body));
  }

  place.replaceChildren(
    part('p', {}, part('a', { href: '#' }, '← All orders')),
    trouble, head, buttons, state,
    part('h2', {}, 'Audit log'), trail,
  );
  document.addEventListener('visibilitychange', look, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  look();
}

function entry({ seq, type, payload, ts }) {
  const said = payload && Object.keys(payload).length ? JSON.stringify(payload) : '';
  const clock = part('time', { datetime: ts, title: ts }, new Date(ts).toLocaleTimeString());
  return part('li', {}, part('span', { class: 'soft' }, `${seq}`), clock, part('strong', {}, words(type)), part('span', { class: 'payload mono' }, said));
}

function details(body) {
  const { customer, payment_info: paid, shipment_info: sent, shipping_address: to, failure } = body;
  const address = to ? [to.street, to.city, to.state, to.postal_code, to.country].filter(Boolean).join(', ') : null;
  const amount = (value) => money(value, body.currency);
  const items = body.items.map((line) =>
    part(
      'tr',
      {},
      part('td', { class: 'mono' }, line.sku),
      part('td', {}, line.name ?? '–'),
      part('td', { class: 'number' }, `${line.quantity}`),
      part('td', { class: 'number' }, amount(line.unit_price)),
    ),
  );
  const heads = ['SKU', 'Name', 'Quantity', 'Unit price'].map((name) => part('th', { scope: 'col' }, name));
  return [
    part(
      'div',
      { class: 'columns' },
      part('section', {}, part('h2', {}, 'State'), facts([
        ['Status', status(body.status)],
        ['Step', words(body.step)],
        ['Total', amount(body.total_amount)],
        ['Created', time(body.created_at)],
        ['Updated', time(body.updated_at)],
        ['Estimated delivery', body.estimated_delivery ? time(body.estimated_delivery) : null],
        ['Reason of the cancel', body.cancellation_reason],
        ['Reason of the failure', failure ? `${failure.detail} (${failure.code})` : null],
        ['Retries', Object.entries(body.retries ?? {}).map(([step, count]) => `${words(step)} ${count}×`).join(', ')],
        ['Workflow', body.workflow_id ? part('code', {}, body.workflow_id) : null],
        ['Source', body.source],
      ])),
      customer?.name || body.customer_id || customer?.email || address ? part('section', {}, part('h2', {}, 'Customer and address'), facts([
        ['Customer', customer?.name],
        ['Id', body.customer_id],
        ['E-mail', customer?.email],
        ['Address', address],
      ])) : null,
      paid ? part('section', {}, part('h2', {}, 'Payment'), facts([
        ['Payment', part('code', {}, paid.payment_id)],
        ['Transaction', paid.transaction_id],
        ['Amount', amount(paid.amount)],
        ['Method', paid.payment_method],
        ['Status', words(paid.status)],
        ['Paid at', time(paid.timestamp)],
      ])) : null,
      sent ? part('section', {}, part('h2', {}, 'Shipment'), facts([
        ['Tracking', part('code', {}, sent.tracking_number)],
        ['Carrier', sent.provider],
        ['Shipped', sent.shipped_at ? time(sent.shipped_at) : null],
        ['Delivered', sent.delivered_at ? time(sent.delivered_at) : null],
      ])) : null,
    ),
    part('h2', {}, 'Items'),
    part('div', { class: 'scroll' }, part('table', {}, part('thead', {}, part('tr', {}, heads)), part('tbody', {}, items))),
  ];
}
