// The console: `#` shows the list, `#/orders/ID` one order. It only calls the API that serves it.

import { askCredentials, askSample } from './actions.js';
import { list } from './list.js';
import { order } from './order.js';

const main = document.getElementById('main');
let shown = new AbortController();

function show() {
  shown.abort();
  shown = new AbortController();
  const [, id] = /^#\/orders\/(.+)$/.exec(location.hash) ?? [];
  document.title = id ? `${named(id)} – orderflow` : 'orderflow';
  if (id) order(main, named(id), shown.signal);
  else list(main, shown.signal);
}

function named(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

const open = (id) => {
  const hash = `#/orders/${encodeURIComponent(id)}`;
  if (location.hash === hash) show();
  else location.hash = hash;
};

document.getElementById('sample').addEventListener('click', () => askSample(open));
document.getElementById('credentials').addEventListener('click', () => askCredentials(show));
window.addEventListener('hashchange', () => {
  // The skip link changes the hash, but is not a page.
  if (location.hash === '#main') return;
  show();
  main.focus();
});
show();
