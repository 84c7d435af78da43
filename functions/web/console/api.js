// Calls of the API: its address, the credentials, and problem documents as errors.

/** An error response, with its problem document. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `HTTP ${status}`);
    this.status = status;
    this.document = document;
  }
}

// The page is at the root of the API. Behind API Gateway, the root includes the stage.
const root = new URL('.', document.baseURI);

// In the session storage: only for this tab, until it is closed.
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

function credentialHeaders() {
  const { kind, secret } = credentials();
  if (kind === 'key') return { 'X-Api-Key': secret };
  if (kind === 'token') return { Authorization: `Bearer ${secret}` };
  return {};
}

/** A new idempotency key: a repeated request with the same key has no second effect. */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Calls the API; resolves with `{status, body, link}` or throws a `Problem`. */
export async function call(method, path, { body, key } = {}) {
  const headers = { Accept: 'application/json', ...credentialHeaders() };
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
    throw new Problem(0, { title: 'The API does not respond', detail: 'Check that it is running and that this computer is online.' });
  }
  const text = await answer.text();
  let read = null;
  try {
    read = text ? JSON.parse(text) : null;
  } catch {
    // The response is not from the API, for example the page of a proxy.
  }
  if (!answer.ok) throw new Problem(answer.status, read ?? { title: `HTTP ${answer.status}`, detail: text.slice(0, 500) });
  return { status: answer.status, body: read, link: nextPage(answer.headers.get('Link'), answer.url) };
}

/** Returns the address of the next page from the `Link` header of a response from `url`, or null. */
export function nextPage(link, url) {
  const found = /<([^>]+)>\s*;\s*rel="next"/.exec(link ?? '');
  return found ? new URL(found[1], url).href : null;
}

export const orderPath = (id) => `/orders/${encodeURIComponent(id)}`;
