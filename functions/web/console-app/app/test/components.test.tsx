import { cleanup, fireEvent, render, screen } from '@testing-library/preact';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Problem } from '../src/api';
import { Empty, Failed, FormDialog, Loading, StatusPill, Table, Time } from '../src/components';
import type { OrderStatus } from '../src/types';

const NOW = Date.parse('2026-01-01T12:00:00Z');

// jsdom has no modal dialogs.
beforeAll(() => {
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true;
  };
});
afterEach(cleanup);

test('pills of all statuses differ by shape and word', () => {
  const all: OrderStatus[] = ['pending', 'payment_confirmed', 'preparing', 'shipped', 'delivered', 'cancelled', 'failed'];
  const { container } = render(<>{all.map((status) => <StatusPill key={status} status={status} />)}</>);
  const texts = [...container.querySelectorAll('.pill')].map((pill) => pill.textContent ?? '');
  expect(new Set(texts.map((text) => text.charAt(0))).size).toBe(all.length);
  expect(texts[1]).toContain('payment confirmed');
});

test('time has its age as text and UTC in its title', () => {
  const { container } = render(<Time at="2026-01-01T11:58:00Z" now={NOW} />);
  const time = container.querySelector('time');
  expect(time?.textContent).toMatch(/2 min/);
  expect(time?.title).toContain('2026-01-01 11:58:00 UTC');
});

test('number columns align header and cells alike and isolate foreign text', () => {
  render(<Table caption="Rows" rows={['\u202Eabc']} id={(row) => row} columns={[{ head: 'Total', number: true, cell: (row) => row }]} />);
  expect(screen.getByRole('columnheader').className).toBe('number');
  expect(screen.getByRole('cell').className).toBe('number');
  expect(screen.getByRole('cell').querySelector('bdi')?.textContent).toBe('\u202Eabc');
});

test('loading, empty and failed are three states', () => {
  render(<><Loading /><Empty>No order.</Empty><Failed error={new Problem(403, 'Scope', 'No scope.', 'req-1')} seen="2026-01-01T11:00:00Z" now={NOW} /></>);
  expect(screen.getByRole('status').textContent).toBe('Loading…');
  expect(screen.getByText('No order.')).toBeTruthy();
  const alert = screen.getByRole('alert').textContent;
  expect(alert).toContain('required scope');
  expect(alert).toContain('req-1');
  expect(alert).toContain('old');
});

test('dialog sends labelled fields and closes', async () => {
  const send = vi.fn(async () => {});
  const close = vi.fn();
  render(<FormDialog title="Hold" fields={[{ name: 'reason', label: 'Reason' }]} confirm="Hold" keep="Close" send={send} close={close} />);
  fireEvent.input(screen.getByLabelText('Reason'), { target: { value: ' fraud ' } });
  fireEvent.click(screen.getByRole('button', { name: 'Hold' }));
  await vi.waitFor(() => expect(close).toHaveBeenCalledOnce());
  expect(send).toHaveBeenCalledWith({ reason: 'fraud' });
});

test('dialog keeps its entries after a refusal', async () => {
  const close = vi.fn();
  render(<FormDialog title="Hold" fields={[{ name: 'reason', label: 'Reason' }]} confirm="Hold" keep="Close" close={close}
    send={async () => { throw new Problem(409, 'Order closed', 'It has ended.'); }} />);
  const field = screen.getByLabelText<HTMLInputElement>('Reason');
  fireEvent.input(field, { target: { value: 'fraud' } });
  fireEvent.click(screen.getByRole('button', { name: 'Hold' }));
  expect((await screen.findByRole('alert')).textContent).toContain('It has ended.');
  expect(field.value).toBe('fraud');
  expect(close).not.toHaveBeenCalled();
});
