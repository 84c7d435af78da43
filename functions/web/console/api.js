// The API as this page has it: where it is, who we are, and its problem documents as errors.

/** An answer that is no success, with its problem document. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `HTTP ${status}`);
    this.status = status;
    this.document = document;
  }
}

// The page is at the API's root, which behind API Gateway has a stage in front of it.
const root = new URL('.', document.baseURI);

// Kept for this tab alone, and gone with it.
const STORE = 'orderflow.credentials';

/** `{kind: 'none' | 'key' | 'token', secret}` */
export function credentials() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE)) ?? { kind: 'none', secret: '' };
  } catch {
    return { kind: 'none', secret: '' };
  }
}

export function keepCredentials(kind, secret) {
  if (kind === 'none' || !secret) sessionStorage.removeItem(STORE);
  else sessionStorage.setItem(STORE, JSON.stringify({ kind, secret }));
}

function whoWeAre() {
  const { kind, secret } = credentials();
  if (kind === 'key') return { 'X-Api-Key': secret };
  if (kind === 'token') return { Authorization: `Bearer ${secret}` };
  return {};
}

/** A name for one request, so that pressing a button twice has no second effect. */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Calls the API; resolves with `{status, body, link}` or throws a `Problem`. */
export async function call(method, path, { body, key } = {}) {
  const headers = { Accept: 'application/json', ...whoWeAre() };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (key) headers['Idempotency-Key'] = key;
  let answer;
  try {
    answer = await fetch(new URL(path.replace(/^\//, ''), root), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'omit',
      cache: 'no-store',
    });
  } catch {
    throw new Problem(0, { title: 'The API does not answer', detail: 'Is it running, and is the network there?' });
  }
  const text = await answer.text();
  let read = null;
  try {
    read = text ? JSON.parse(text) : null;
  } catch {
    // Something in between answered, in a language of its own.
  }
  if (!answer.ok) throw new Problem(answer.status, read ?? { title: `HTTP ${answer.status}`, detail: text.slice(0, 500) });
  return { status: answer.status, body: read, link: nextPage(answer.headers.get('Link'), answer.url) };
}

/** The address of the next page in a `Link` header of the answer from `url`, or null. */
export function nextPage(link, url) {
  const found = /<([^>]+)>\s*;\s*rel="next"/.exec(link ?? '');
  return found ? new URL(found[1], url).href : null;
}

export const orderPath = (id) => `/orders/${encodeURIComponent(id)}`;
