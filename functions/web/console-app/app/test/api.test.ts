import { afterEach, expect, test, vi } from 'vitest';
import { call, keepCredentials, nextPage, Problem } from '../src/api';
import { readFilters, writeFilters } from '../src/filters';
import { amount } from '../src/format';

const answer = (body: string | null, init: ResponseInit) => {
  const fetched = vi.fn(async (_url: URL, _init: RequestInit) => new Response(body, init));
  vi.stubGlobal('fetch', fetched);
  return fetched;
};

afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
});

test('a long poll sends its tag, its wait and the key', async () => {
  keepCredentials({ kind: 'key', secret: 'secret' });
  const fetched = answer(null, { status: 304, headers: { ETag: 'W/"7"', 'Preference-Applied': 'wait=20' } });
  const read = await call('/orders/A', { etag: 'W/"7"', wait: 20 });
  expect(fetched.mock.calls[0]?.[1].headers).toMatchObject({ 'X-Api-Key': 'secret', 'If-None-Match': 'W/"7"', Prefer: 'wait=20' });
  expect(read).toMatchObject({ status: 304, body: null, etag: 'W/"7"', waited: true });
});

test('a problem has its request id and its next step', async () => {
  answer('{"code":"rate_limited","title":"Too many requests","detail":"Slow down."}', { status: 429, headers: { 'Retry-After': '3', 'X-Request-Id': 'r-1' } });
  const problem = await call('/orders').catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(Problem);
  expect(problem).toMatchObject({ message: 'Slow down.', requestId: 'r-1', nextStep: 'Try again in 3 s.' });
});

test('a page of a proxy is reported as such', async () => {
  answer('<html>', { status: 200 });
  await expect(call('/orders')).rejects.toThrow('not JSON');
});

test('the next page is resolved against the list', () => {
  expect(nextPage('</orders?cursor=a>; rel="next"', 'http://h/orders')).toBe('http://h/orders?cursor=a');
  expect(nextPage(null, 'http://h/')).toBeNull();
});

test('filters survive the URL', () => {
  const filters = { q: 'Ada & Co', attention: 'money' };
  expect(readFilters(`#/orders?${writeFilters(filters)}&unknown=1`)).toEqual(filters);
});

test('amounts have the digits of their currency', () => {
  expect(amount(10, 'USD', 'en')).toBe('$10.00');
  expect(amount(10, 'JPY', 'en')).toBe('¥10');
});
