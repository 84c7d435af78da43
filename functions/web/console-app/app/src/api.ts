// Calls of the API: its address, the credentials, ETags, long polling and problem documents.

import type { ProblemDocument } from './types';

export interface Credentials {
  kind: 'none' | 'key' | 'token';
  secret: string;
}

const STORE = 'orderflow.credentials';

/** Returns the credentials of this tab. The browser forgets them when the tab is closed. */
export function credentials(): Credentials {
  try {
    return (JSON.parse(sessionStorage.getItem(STORE) ?? 'null') as Credentials | null) ?? { kind: 'none', secret: '' };
  } catch {
    return { kind: 'none', secret: '' };
  }
}

export function keepCredentials(kept: Credentials): void {
  if (kept.kind === 'none' || !kept.secret) sessionStorage.removeItem(STORE);
  else sessionStorage.setItem(STORE, JSON.stringify(kept));
}

/** An answer that is an error, or no answer at all (`status` is 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    readonly requestId: string | null = null,
    readonly retryAfter: number | null = null,
    readonly document: ProblemDocument | null = null,
  ) {
    super(detail);
  }

  /** The operator's next step. */
  get nextStep(): string {
    if (this.status === 0) return 'Check that the API is running and that this computer is online.';
    if (this.status === 401) return 'Sign in with an API key or a token that is valid.';
    if (this.status === 403) return 'Sign in with a key or token that has the required scope.';
    if (this.status === 404) return 'Check the id. An order of another customer is not found either.';
    if (this.status === 409) return 'The order has changed. Read its status, then decide again.';
    if (this.status === 422) return 'Correct the fields that are named and send again.';
    if (this.retryAfter !== null) return `Try again in ${this.retryAfter} s.`;
    return 'Try again. If the error stays, give the request id to the people who run the system.';
  }
}

export interface Answer<T> {
  status: number;
  /** `null` behind a 304. */
  body: T | null;
  etag: string | null;
  next: string | null;
  waited: boolean;
}

export interface Call {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  body?: unknown;
  /** Idempotency key: a repeated request with the same key has no second effect. */
  key?: string;
  etag?: string | null;
  /** Seconds that the API may hold the request until the `etag` changes. */
  wait?: number;
  signal?: AbortSignal;
}

/** Returns the address of the next page from a `Link` header, or `null`. */
export function nextPage(link: string | null, url: string): string | null {
  const found = /<([^>]+)>\s*;\s*rel="next"/.exec(link ?? '');
  return found?.[1] ? new URL(found[1], url).href : null;
}

function requestHeaders(call: Call): Record<string, string> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  const { kind, secret } = credentials();
  if (kind === 'key') headers['X-Api-Key'] = secret;
  if (kind === 'token') headers['Authorization'] = `Bearer ${secret}`;
  if (call.body !== undefined) headers['Content-Type'] = 'application/json';
  if (call.key) headers['Idempotency-Key'] = call.key;
  if (call.etag) headers['If-None-Match'] = call.etag;
  if (call.wait) headers['Prefer'] = `wait=${call.wait}`;
  return headers;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Calls the API. Throws a `Problem` unless the answer is a success or a 304. */
export async function call<T>(path: string, options: Call = {}): Promise<Answer<T>> {
  let response: Response;
  try {
    response = await fetch(new URL(path.replace(/^\//, ''), new URL('.', document.baseURI)), {
      method: options.method ?? 'GET',
      headers: requestHeaders(options),
      credentials: 'omit',
      cache: 'no-store',
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, 'The API does not respond', 'The request got no answer.');
  }
  const text = await response.text();
  const read = text === '' ? null : parse(text);
  const requestId = response.headers.get('X-Request-Id');
  const seconds = Number(response.headers.get('Retry-After') ?? '');
  if (!response.ok && response.status !== 304) {
    const problem = read && typeof read === 'object' && 'code' in read ? (read as ProblemDocument) : null;
    throw new Problem(
      response.status,
      problem?.title ?? `HTTP ${response.status}`,
      problem?.detail ?? 'The answer is not from the API, for example from a proxy.',
      requestId,
      seconds > 0 ? seconds : null,
      problem,
    );
  }
  if (read === undefined) {
    throw new Problem(response.status, 'Not an answer of the API', 'The answer is not JSON, for example the page of a proxy.', requestId);
  }
  return {
    status: response.status,
    body: read as T | null,
    etag: response.headers.get('ETag'),
    next: nextPage(response.headers.get('Link'), response.url || document.baseURI),
    waited: response.headers.has('Preference-Applied'),
  };
}
