// Elements of the page. Content of an order becomes text, never markup.

/** Creates an element with attributes, listeners (`onclick`) and children, which are elements or text. */
export function part(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function status(value) {
  const known = /^[a-z_]+$/.test(value) ? value : 'unknown';
  return part('span', { class: `status ${known}` }, words(value));
}

/** Turns a name such as `payment_confirmed` into words. */
export function words(name) {
  return String(name).replaceAll('_', ' ');
}

export function money(amount, currency) {
  if (amount === null || amount === undefined) return '–';
  try {
    return new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(amount);
  } catch {
    return `${amount} ${currency ?? ''}`.trim();
  }
}

export function time(text) {
  if (!text) return '–';
  const moment = new Date(text);
  if (Number.isNaN(moment.valueOf())) return String(text);
  return part('time', { datetime: text, title: text }, moment.toLocaleString());
}

/** A list of names and values, without empty values. */
export function facts(pairs) {
  const there = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return part('dl', {}, there.flatMap(([name, value]) => [part('dt', {}, name), part('dd', {}, value)]));
}

/** Shows a problem document. */
export function problem(error) {
  const { title, detail, code, errors, order_status: at } = error.document ?? { title: 'This page failed', detail: String(error) };
  return part(
    'div',
    { class: 'problem', role: 'alert' },
    part('p', {}, part('strong', {}, title ?? 'The request failed')),
    detail ? part('p', {}, detail) : null,
    errors?.length
      ? part('ul', {}, errors.map((one) => part('li', {}, part('code', {}, one.pointer || 'document'), ` ${one.detail}`)))
      : null,
    at ? part('p', {}, 'The order is ', status(at), '.') : null,
    error.status === 401 || error.status === 403 ? part('p', {}, 'Set a key or a token under “Credentials”.') : null,
    code ? part('p', { class: 'soft' }, part('code', {}, code)) : null,
  );
}

/** Shows a message for five seconds; screen readers announce it. */
export function say(text) {
  const place = document.getElementById('said');
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => {
    place.textContent = '';
  }, 5000);
}

/**
 * Opens a dialog with fields and sends them. If sending fails, the dialog shows the problem and stays open.
 * A field is `{name, label, value?, type?, choices?, hint?, required?, autocomplete?}`.
 */
export function ask(title, fields, send, button = 'Send') {
  const back = document.activeElement;
  const inputs = fields.map((field) => input(field));
  const trouble = part('div', {});
  const submit = part('button', { type: 'submit', class: 'first' }, button);
  const close = () => dialog.close();
  const form = part(
    'form',
    { method: 'dialog', novalidate: true },
    part('h2', { id: 'asked' }, title),
    inputs.map(({ parts }) => parts),
    trouble,
    part('div', { class: 'row' }, submit, part('button', { type: 'button', onclick: close }, 'Close')),
  );
  const dialog = part('dialog', { 'aria-labelledby': 'asked' }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    submit.disabled = true;
    trouble.replaceChildren();
    try {
      const entered = inputs.map(({ name, read }) => [name, read()]).filter(([, value]) => value !== '');
      await send(Object.fromEntries(entered));
      close();
    } catch (error) {
      trouble.replaceChildren(problem(error));
    } finally {
      submit.disabled = false;
    }
  });
  dialog.addEventListener('close', () => {
    dialog.remove();
    back?.focus?.();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function input({ name, label, value = '', type = 'text', choices, hint, autocomplete = 'off' }) {
  const id = `field-${name}`;
  if (type === 'checkbox') {
    const box = part('input', { id, type, checked: Boolean(value) });
    return { name, parts: [part('label', { for: id, class: 'check' }, box, ` ${label}`)], read: () => box.checked };
  }
  const described = hint ? { 'aria-describedby': `${id}-hint` } : {};
  const field = choices
    ? part('select', { id, ...described }, choices.map(([key, text]) => part('option', { value: key, selected: key === value }, text)))
    : part('input', { id, type, value, autocomplete, spellcheck: 'false', ...described });
  const parts = [part('label', { for: id }, label), field];
  if (hint) parts.push(part('div', { class: 'soft', id: `${id}-hint` }, hint));
  return { name, parts, read: () => field.value.trim() };
}
