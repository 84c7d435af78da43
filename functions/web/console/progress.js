// The progress of an order, as a list that looks like a progress bar.

import { part, words } from './parts.js';

// For each step: its label, and the audit events that complete it.
const STEPS = [
  ['receive', 'Received', ['order_received']],
  ['validate', 'Validated', ['order_validated']],
  ['manual_review', 'Reviewed', ['review_approved', 'review_timed_out']],
  ['pay', 'Paid', ['payment_captured', 'payment_confirmed']],
  ['prepare', 'Prepared', ['order_shipped']],
  ['dispatch', 'Dispatched', ['order_shipped']],
  ['deliver', 'Delivered', ['order_delivered']],
];

/** Returns the stage of each step, from the order and the types of its audit events. */
export function stages(order, types) {
  const at = STEPS.findIndex(([step]) => step === order.step);
  const taken = STEPS.map(([, , entries]) => entries.some((entry) => types.has(entry)));
  // After its payment was cancelled, an order waits for a payment again.
  if (order.status === 'pending') taken[3] = false;
  const furthest = taken.lastIndexOf(true);
  const stopped = order.status === 'cancelled' || order.status === 'failed';
  return STEPS.map(([step, label], index) => {
    if (index === at && order.is_running) return { step, label, stage: 'now' };
    if (taken[index]) return { step, label, stage: 'past' };
    // An order without a review skips that step.
    if (index < furthest || (at > index && !stopped)) return { step, label, stage: 'skipped' };
    if (stopped && index === furthest + 1) return { step, label, stage: 'ended' };
    return { step, label, stage: 'ahead' };
  });
}

const SAID = { past: 'done', skipped: 'not needed', now: 'in progress', ended: 'not completed, the order was stopped', ahead: 'to come' };

export function progress(order, events) {
  const types = new Set(events.map((event) => event.type));
  const items = stages(order, types).map(({ label, stage }) =>
    part('li', { class: stage, 'aria-current': stage === 'now' ? 'step' : null, 'aria-label': `${label}: ${SAID[stage]}` }, label),
  );
  const undoing = order.step === 'compensate' && order.is_running;
  return part(
    'div',
    {},
    part('ol', { class: 'progress', 'aria-label': 'Progress' }, items),
    undoing ? part('p', {}, `The order is ${words(order.status)}; its payment is being refunded and its stock released.`) : null,
  );
}
