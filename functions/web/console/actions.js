// The requests that an operator can send to an order. The order decides whether it accepts one.

import { call, credentials, freshKey, keepCredentials, orderPath } from './api.js';
import { ask, part, say } from './parts.js';

const text = (name, label, hint) => ({ name, label, hint });
const reasons = (hint) => [
  text('reason', 'Reason', hint),
  text('public_reason', 'Reason for the customer', 'The customer reads this one only.'),
];

// For each action: its button, the last segment of its path, its fields, and whether it is likely the next one.
export const ACTIONS = [
  {
    label: 'Approve',
    signal: 'approve',
    fields: () => [text('reviewer', 'Reviewer'), text('note', 'Note')],
    likely: (order) => order.step === 'manual_review',
  },
  {
    label: 'Reject',
    signal: 'reject',
    fields: () => [text('reviewer', 'Reviewer'), ...reasons()],
    likely: () => false,
  },
  {
    label: 'Confirm payment',
    signal: 'confirm-payment',
    fields: (order) => [
      { ...text('transaction_id', 'Transaction id'), value: `console-${freshKey().slice(0, 12)}` },
      { ...text('amount', 'Amount', 'The order’s total, to the last digit.'), value: order.total_amount ?? '' },
      { ...text('currency', 'Currency'), value: order.currency ?? '' },
      text('payment_method', 'Method'),
    ],
    likely: (order) => order.step === 'pay' && order.status === 'pending',
  },
  { label: 'Cancel payment', signal: 'cancel-payment', fields: () => reasons(), likely: () => false },
  {
    label: 'Update address',
    signal: 'update-address',
    fields: ({ shipping_address: at }) => [
      { ...text('street', 'Street', 'An empty field keeps its value.'), value: at?.street ?? '' },
      { ...text('city', 'City'), value: at?.city ?? '' },
      { ...text('state', 'State'), value: at?.state ?? '' },
      { ...text('postal_code', 'Postal code'), value: at?.postal_code ?? '' },
      { ...text('country', 'Country'), value: at?.country ?? '' },
    ],
    likely: () => false,
  },
  {
    label: 'Change quantity',
    signal: 'update-items',
    fields: (order) => [
      { ...text('sku', 'SKU'), choices: order.items.map((item) => [item.sku, item.name ? `${item.sku}: ${item.name}` : item.sku]) },
      text('quantity', 'New quantity', 'Zero removes the SKU.'),
    ],
    body: (item) => ({ items: [item] }),
    likely: () => false,
  },
  {
    label: 'Confirm delivery',
    signal: 'confirm-delivery',
    fields: () => [text('signed_by', 'Signed by')],
    likely: (order) => order.step === 'deliver',
  },
  {
    label: 'Hold',
    signal: 'hold',
    fields: () => reasons('The order does not go on to its payment or its dispatch.'),
    likely: () => false,
  },
  { label: 'Release', signal: 'release', fields: () => reasons(), likely: (order) => Boolean(order.hold) },
  { label: 'Cancel order', signal: 'cancel', fields: () => reasons(), likely: () => false },
];

export function actionButtons(order, changed) {
  const press = (action) => () => {
    const key = freshKey();
    ask(`${action.label}: ${order.order_id}`, action.fields(order), async (entered) => {
      const body = action.body ? action.body(entered) : entered;
      const answer = await call('POST', `${orderPath(order.order_id)}/signals/${action.signal}`, { body, key });
      say(answer.body.already ? `${answer.body.message} (No change.)` : answer.body.message);
      changed();
    }, action.label);
  };
  const button = (action) =>
    part('button', { type: 'button', class: action.likely(order) ? 'first' : null, onclick: press(action) }, action.label);
  return part('div', { class: 'row', role: 'group', 'aria-label': 'Actions' }, ACTIONS.map(button));
}

export function askSample(show) {
  const profiles = ['production', 'lifecycle', 'approval', 'quick', 'checkout'].map((name) => [name, name]);
  const fields = [
    { name: 'profile', label: 'Profile', choices: [['', 'default of the deployment'], ...profiles], hint: 'Another profile requires ALLOW_PROFILE_OVERRIDE=on.' },
    { name: 'paid', label: 'With a payment id, so that the order is charged', type: 'checkbox', value: true },
    { name: 'email', label: 'E-mail', type: 'email', hint: 'Leave empty to send no mail.' },
    { name: 'price', label: 'Price', value: '99.99' },
  ];
  const key = freshKey();
  ask('Start a sample order', fields, async ({ profile, paid, email, price }) => {
    const body = {
      customer: { id: 'CUST-001', name: 'John Doe', email },
      items: [{ sku: 'ABC123', name: 'Laptop', quantity: 1, unit_price: price ?? '' }],
      currency: 'USD',
      shipping_address: { street: '123 Main St', city: 'Anytown', state: 'CA', postal_code: '94102', country: 'US' },
      payment: paid ? { payment_id: `pmt-${key}`, method: 'pm_card_visa' } : undefined,
      profile,
    };
    // The API refuses a different body with the same key, so a changed form gets a new key.
    const name = `${key}-${[profile, paid, email, price].join('-').replace(/[^\w.-]/g, '_')}`.slice(0, 200);
    const answer = await call('POST', '/orders', { body, key: name });
    say(answer.body.message);
    show(answer.body.order_id);
  }, 'Start');
}

export function askCredentials(changed) {
  const { kind, secret } = credentials();
  const kinds = [['none', 'none'], ['key', 'API key (X-Api-Key)'], ['token', 'Bearer token (JWT)']];
  const fields = [
    { name: 'kind', label: 'Authentication', choices: kinds, value: kind },
    { name: 'secret', label: 'Key or token', type: 'password', value: secret, hint: 'Stored in this tab until you close it.' },
  ];
  ask('Credentials', fields, async ({ kind: chosen, secret: entered }) => {
    keepCredentials(chosen, entered ?? '');
    say(chosen === 'none' ? 'No credentials are sent.' : 'The credentials are saved.');
    changed();
  }, 'Save');
}
